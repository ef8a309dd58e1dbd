"""What became of the tries to bring in a release, so that none is tried for ever, nor given up too soon."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Final

from workers.backoff import jittered

_SELDOM_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """A release at a time: announced anew it is another attempt."""

    manifest_sha256: str
    announced_at: datetime | None


class Attempts:
    """The last attempt that failed, and when it may be made again."""

    def __init__(self) -> None:
        self._failed: Attempt | None = None
        self._failures = 0
        self._next: float | None = None

    @property
    def next_try(self) -> float:
        """When a failed attempt is due again, by the monotonic clock."""
        return float("inf") if self._next is None else self._next

    def due(self, attempt: Attempt) -> bool:
        """Whether to make an attempt now."""
        return attempt != self._failed or monotonic() >= self.next_try

    def failed(self, attempt: Attempt, *, passes: bool) -> None:
        """Note a failure; one whose cause may pass is due again, ever more seldom."""
        self._failures = self._failures + 1 if attempt == self._failed else 1
        self._failed = attempt
        wait = jittered(self._failures, first=2, most=_SELDOM_SECONDS)
        self._next = monotonic() + wait if passes else None

    def forget(self) -> None:
        """Nothing has failed."""
        self._failed, self._failures, self._next = None, 0, None
