from datetime import UTC, datetime, timedelta, timezone

import pytest

from workers.dead_letters.selection import read_time

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("30m", NOW - timedelta(minutes=30)),
        ("2h", NOW - timedelta(hours=2)),
        ("7d", NOW - timedelta(days=7)),
        ("2026-01-30", datetime(2026, 1, 30, tzinfo=UTC)),
        ("2026-01-30T06:00", datetime(2026, 1, 30, 6, tzinfo=UTC)),
        ("2026-01-30T06:00:00+02:00", datetime(2026, 1, 30, 6, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_a_time_is_so_long_ago_or_a_date(text: str, time: datetime) -> None:
    assert read_time(text, now=NOW) == time


@pytest.mark.parametrize("text", ["", "yesterday", "2w", "-1h", "999999999d", "1969-12-31", "30000d"])
def test_what_is_no_time_is_told_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="2h or 7d"):
        read_time(text, now=NOW)
