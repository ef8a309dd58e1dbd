"""Does the machine itself keep its pace? Under a hypervisor now and then nothing on it does for 0.3 s."""

from __future__ import annotations

import hashlib
from statistics import median
from threading import Event, Thread
from time import monotonic, sleep, thread_time
from types import TracebackType
from typing import Final, Self

_WORK: Final = bytes(512 * 1024)
_PAUSE_SECONDS: Final = 0.01


class MachinePace:
    """Does the same work again and again, a third of a millisecond of it, in a thread of its own.

    What is taken is its own processor time: waiting for a core, as for anything that is measured beside it,
    doesn't count. The time that a hypervisor takes from a core does.
    """

    def __init__(self) -> None:
        self._seen: list[tuple[float, float]] = []
        self._ending: Final = Event()
        self._thread: Final = Thread(target=self._run, name="pace", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()

    def slowest(self, since: float, until: float) -> float:
        """How many times as long as usual the work took at most, between two times of `monotonic`.

        Raises:
            ValueError: it was not done in between.
        """
        seen = self._seen.copy()
        usual = median(took for _, took in seen)
        return max(took for at, took in seen if since <= at <= until) / usual

    def _run(self) -> None:
        while not self._ending.is_set():
            began = thread_time()
            hashlib.sha256(_WORK).digest()
            took = thread_time() - began
            self._seen.append((monotonic(), took))
            sleep(_PAUSE_SECONDS)
