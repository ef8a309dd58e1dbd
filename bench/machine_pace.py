"""Does the machine itself keep its pace? Under a hypervisor now and then nothing on it does for 0.3 s."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from time import monotonic, sleep, thread_time
from typing import Final, Self

from bench.repeated import repeated

_WORK: Final = bytes(512 * 1024)
_PAUSE_SECONDS: Final = 0.01


class MachinePace:
    """How long the same work takes again and again, a third of a millisecond of it.

    What is taken is its own processor time: waiting for a core, as for anything that is measured beside it,
    doesn't count. The time that a hypervisor takes from a core does.
    """

    def __init__(self) -> None:
        self._took: list[tuple[float, float]] = []

    @classmethod
    @contextmanager
    def watched(cls) -> Iterator[Self]:
        """One whose work is done in a thread of its own."""
        pace = cls()
        with repeated(pace._work, "pace"):
            yield pace

    def slowest(self, since: float, until: float) -> float:
        """How many times as long as usual the work took at most, between two times of `monotonic`.

        Raises:
            ValueError: it was not done in between.
        """
        took = self._took.copy()
        usual = median(seconds for _, seconds in took)
        return max(seconds for at, seconds in took if since <= at <= until) / usual

    def add(self, at: float, seconds: float) -> None:
        """The work was done once more: until when, and how long it took."""
        self._took.append((at, seconds))

    def _work(self) -> None:
        began = thread_time()
        hashlib.sha256(_WORK).digest()
        took = thread_time() - began
        self.add(monotonic(), took)
        sleep(_PAUSE_SECONDS)
