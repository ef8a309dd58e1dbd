from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.manifest import ReleaseError
from model.store.channel import Change, Channel, Entry

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
BAD = Change(at=NOW, by="ada", reason="misses places")


def entry(version: str) -> Entry:
    change = Change(at=datetime.now(UTC), by="ada", reason="")
    return Entry(name="small", version=version, manifest_sha256="0" * 64, pointed=change)


def channel(*versions: str) -> Channel:
    made = Channel()
    for version in versions:
        made = made.pointed(entry(version), again=False)
    return made


def served(made: Channel) -> str | None:
    return None if made.current is None else made.current.version


def test_the_last_release_is_served_and_the_one_before_is_kept() -> None:
    made = channel("1", "2", "3")
    assert served(made) == "3"
    assert made.previous is not None
    assert made.previous.version == "2"
    assert (Channel().current, Channel().previous, Channel().withdrawn) == (None, None, ())


def test_pointing_where_it_points_changes_nothing() -> None:
    made = channel("1", "2")
    assert made.pointed(entry("2"), again=False) == made


def test_a_rollback_takes_back_every_time_that_the_release_was_served() -> None:
    made = channel("1", "2", "1").rolled_back(BAD)
    assert served(made) == "2"
    assert [each.version for each in made.withdrawn] == ["1"]
    with pytest.raises(ReleaseError, match="no earlier release"):
        made.rolled_back(BAD)


def test_what_was_rolled_back_is_served_again_only_when_told_to() -> None:
    made = channel("1", "2").rolled_back(BAD)
    with pytest.raises(ReleaseError, match=r"small/2 was rolled back on 2026-11-24 by ada \(misses places\)"):
        made.pointed(entry("2"), again=False)
    again = made.pointed(entry("2"), again=True)
    assert served(again) == "2"
    assert again.withdrawn == ()
    assert served(again.rolled_back(BAD)) == "1"


def test_a_history_has_an_end() -> None:
    made = channel(*(str(number) for number in range(300)))
    assert len(made.entries) == 100
    assert served(made) == "299"


@settings(deadline=None)
@given(st.lists(st.sampled_from(["1", "2", "3", "back"]), max_size=30))
def test_what_was_taken_back_is_never_served(acts: list[str]) -> None:
    made, gone = Channel(), set()
    for act in acts:
        try:
            if act == "back":
                bad = served(made)
                made = made.rolled_back(BAD)
                gone.add(bad)
            else:
                made = made.pointed(entry(act), again=False)
        except ReleaseError:
            continue
        assert served(made) not in gone
        assert made.previous is None or made.previous.version != served(made)
