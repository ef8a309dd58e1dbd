"""Which dead letters are meant: the filters of `rpbert dlq`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from cyclopts import Parameter, Token

from schemas import DeadLetter, DeadLetterReason, Stage

_AGO: Final = re.compile(r"(\d{1,9})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def read_time(text: str, *, now: datetime) -> datetime:
    """Read `90s`, `30m`, `2h` or `7d` as so long before now, else a date or time of ISO 8601, UTC by default.

    Raises:
        ValueError: it is neither.
    """
    try:
        if ago := _AGO.fullmatch(text):
            given = now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        else:
            given = datetime.fromisoformat(text)
            given = given if given.tzinfo else given.replace(tzinfo=UTC)
        # Before 1970 and beyond the calendar there are no records, and Kafka refuses to look there.
        if given.timestamp() >= 0:
            return given
    except (ValueError, OverflowError):
        pass
    raise ValueError(
        f"{text!r} is no time; write how long ago, such as 90s, 30m, 2h or 7d, or a time such as 2026-01-31 "
        "or 2026-01-31T12:00:00Z"
    )


def _time_flag(_type: Any, tokens: Sequence[Token]) -> datetime:
    return read_time(tokens[0].value, now=datetime.now(UTC))


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Selection:
    """Letters that meet every condition given."""

    reason: Annotated[
        tuple[DeadLetterReason, ...],
        Parameter(help="Only this reason; may be repeated.", name_transform=str.lower),
    ] = ()
    stage: Annotated[tuple[Stage, ...], Parameter(help="Only this stage; may be repeated.")] = ()
    source_topic: Annotated[str | None, Parameter(help="Only records that came from this topic.")] = None
    since: Annotated[
        datetime | None,
        Parameter(
            help="Only from then on: 90s, 30m, 2h or 7d ago, or a time such as 2026-01-31T12:00Z.",
            converter=_time_flag,
        ),
    ] = None
    until: Annotated[datetime | None, Parameter(help="Only before then.", converter=_time_flag)] = None

    @property
    def since_ms(self) -> int | None:
        """`since` in ms since 1970."""
        return None if self.since is None else int(self.since.timestamp() * 1_000)

    def holds(self, timestamp_ms: int, cause: DeadLetter | None) -> bool:
        """Whether a letter is selected, by its time and what it says of itself."""
        if self.since_ms is not None and timestamp_ms < self.since_ms:
            return False
        if self.until is not None and timestamp_ms >= self.until.timestamp() * 1_000:
            return False
        if cause is None:
            return not (self.reason or self.stage or self.source_topic)
        return (
            (not self.reason or cause.reason in self.reason)
            and (not self.stage or cause.stage in self.stage)
            and self.source_topic in (None, cause.topic)
        )
