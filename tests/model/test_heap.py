"""In processes of their own: the tests before leave holes in the heap, and what is set can't be unset."""

import os
import subprocess
import sys

import pytest

IN_HOLES = """
import psutil
from model.heap import trim_heap

process, kept = psutil.Process(), []
before = process.memory_info().rss
large = []
for _ in range(1_000):
    # Below what malloc asks the machine for piece by piece, each with something behind it that stays.
    large.append(bytearray(100_000))
    kept.append(bytearray(1_000))
taken = process.memory_info().rss - before
del large
trim_heap()
print(taken, process.memory_info().rss - before)
"""

FREED_AND_TAKEN = """
import sys, threading
from resource import RUSAGE_SELF, getrusage
from model.heap import keep_heap

def batches():
    for _ in range(3):
        before = getrusage(RUSAGE_SELF).ru_minflt
        maps = [b"x" * (8 << 20) for _ in range(12)]
        del maps
    print(getrusage(RUSAGE_SELF).ru_minflt - before)

if "keep" in sys.argv:
    keep_heap()
# As the engine's, which is not the first.
thread = threading.Thread(target=batches)
thread.start()
thread.join()
"""


def told(program: str, *arguments: str, **environment: str) -> list[int]:
    others = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=others | environment,
        capture_output=True,
        check=True,
        text=True,
    )
    return [int(number) for number in done.stdout.split()]


def test_a_heap_in_holes_is_given_back() -> None:
    taken, left = told(IN_HOLES)
    assert taken > 80_000_000
    assert left < taken / 4


@pytest.mark.parametrize(
    ("arguments", "environment", "kept"),
    [
        (["keep"], {}, True),
        ([], {}, False),
        (["keep"], {"MALLOC_TRIM_THRESHOLD_": "1048576"}, False),
    ],
    ids=["kept", "by default", "the environment holds"],
)
def test_a_batch_finds_the_pages_of_the_one_before(
    arguments: list[str], environment: dict[str, str], kept: bool
) -> None:
    [faults] = told(FREED_AND_TAKEN, *arguments, **environment)
    # Of the 96 MiB that it writes to, in pages of 4 KiB.
    assert (faults < 1_000) is kept
