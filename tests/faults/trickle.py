"""Posts at a steady rate: between two of them a worker is idle, as it never is behind a backlog."""

from __future__ import annotations

from concurrent.futures import Future
from time import monotonic, sleep
from typing import Any, Final

from tests.faults.feeder import Feeder

POSTS_A_SECOND: Final = 120

_STEP_SECONDS: Final = 0.02


class Trickle:
    """Lets a feeder produce on from where it stands, at `POSTS_A_SECOND`."""

    def __init__(self, feeder: Feeder) -> None:
        self._feeder = feeder
        self._first = feeder.limit
        self._began = monotonic()

    def go_on(self, seconds: float = 0.0, *, at_least: Future[Any] | None = None) -> None:
        """Produce for so long, and until something is done."""
        until = monotonic() + seconds
        while monotonic() < until or not (at_least is None or at_least.done()):
            self._feeder.limit = self._first + int((monotonic() - self._began) * POSTS_A_SECOND)
            sleep(_STEP_SECONDS)
