"""How many pages a batch asks the machine for, to be run in processes of their own."""

from concurrent.futures import ThreadPoolExecutor
from resource import RUSAGE_SELF, getrusage
from threading import Barrier, Lock

MANY = 1_000
"""A batch writes to 96 MiB: 24,576 pages of 4 KiB, if it finds none."""

_THREADS = 3


def of_a_batch() -> int:
    """The most by the third of three alike, on one of some threads: which heap each has is glibc's to say."""
    all_there, one_at_a_time = Barrier(_THREADS), Lock()

    def batches(_: int) -> int:
        all_there.wait()
        with one_at_a_time:
            for _ in range(3):
                before = getrusage(RUSAGE_SELF).ru_minflt
                maps = [b"x" * (8 << 20) for _ in range(12)]
                del maps
            return getrusage(RUSAGE_SELF).ru_minflt - before

    with ThreadPoolExecutor(_THREADS) as pool:
        return max(pool.map(batches, range(_THREADS)))
