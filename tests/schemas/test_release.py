from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from schemas import ModelRelease, ReleaseMark


def release(**changes: Any) -> ModelRelease:
    return ModelRelease.model_validate(
        {
            "name": "small",
            "version": "1.0.0",
            "channel": "stable",
            "location": "s3://bucket/releases/small/1.0.0",
            "manifest_sha256": "0" * 64,
            "announced_at": datetime(2026, 11, 24, tzinfo=UTC),
            "announced_by": "ada",
            "reason": "",
            **changes,
        }
    )


def test_a_pointer_is_kept_by_its_channel_and_a_mark_by_its_release() -> None:
    assert release().key == "stable"
    marked = release(mark=ReleaseMark.REFUSED, reason="F1 fell to 0.61")
    assert marked.key == "small/1.0.0"
    assert release(channel=None, mark="rolled_back", reason="slow").key == "small/1.0.0"


def test_it_comes_back_as_it_was_written() -> None:
    written = release(mark="rolled_back", reason="slow", signature="AAAA", added_later="by a newer writer")
    assert ModelRelease.model_validate_json(written.model_dump_json()) == written


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"channel": None}, "channel is missing"),
        ({"mark": "refused"}, r"reason is empty: say why small/1\.0\.0 is refused"),
        ({"manifest_sha256": "../../x"}, "manifest_sha256"),
        ({"announced_at": datetime(2026, 11, 24)}, "announced_at"),  # noqa: DTZ001
        ({"mark": "lost", "reason": "slow"}, "mark"),
    ],
)
def test_what_says_too_little_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        release(**changes)
