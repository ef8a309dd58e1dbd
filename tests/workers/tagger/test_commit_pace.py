import pytest

from workers.tagger.commit_pace import CommitPace


def test_the_next_commit_waits_for_its_interval_unless_it_must_not() -> None:
    pace = CommitPace(interval=3_600, most=100)
    assert pace.due(full=False, alone=False)
    pace.began(10)
    assert not pace.due(full=False, alone=False)
    assert not pace.due(full=False, alone=True)
    assert pace.due(full=True, alone=False)


def test_one_that_failed_waits_its_turn_also_in_a_full_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.tagger.commit_pace.jittered", lambda *_, most, **__: most)
    pace = CommitPace(interval=0, most=100)
    pace.began(10)
    pace.failed()
    assert not pace.due(full=True, alone=True)
    pace.begin_anew()
    assert pace.due(full=False, alone=False)


def test_what_failed_is_tried_with_half_as_many_and_then_with_twice_as_many_again() -> None:
    pace = CommitPace(interval=0, most=1_000)
    allowed = []
    for _ in range(6):
        pace.began(min(600, pace.at_once))
        pace.failed()
        allowed.append(pace.at_once)
    assert allowed == [300, 150, 75, 37, 18, 16]
    pace.went_well()
    assert pace.at_once == 32
    for _ in range(10):
        pace.went_well()
    assert pace.at_once == 1_000
