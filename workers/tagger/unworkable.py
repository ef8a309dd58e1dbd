"""The error of a record that is bound for the dead letters."""

from __future__ import annotations

from typing import Final

from schemas import DeadLetterReason, Stage


class Unworkable(Exception):
    """A record that can't become a result, however often it is tried."""

    def __init__(
        self, reason: DeadLetterReason, stage: Stage, message: str, *, field: str | None = None
    ) -> None:
        super().__init__(message)
        self.reason: Final = reason
        self.stage: Final = stage
        self.message: Final = message
        self.field: Final = field
