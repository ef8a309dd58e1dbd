import time
from datetime import UTC, datetime
from threading import Event

import pytest

from model.manifest import ReleaseError
from model.store.lease import Holder, Lease
from model.store.store import ReleaseStore

KEY = "channels/trainer.lock"
# A holder that lives beats a thousand times before anyone thinks that it is dead.
QUICK = {"beat": 0.01, "silence": 10.0}


def holder(run: str) -> Holder:
    return Holder(identity=run, by=f"a trainer, {run}", since=datetime(2026, 1, 31, tzinfo=UTC))


def dead(store: ReleaseStore, run: str) -> None:
    """What a holder leaves that was killed."""
    store.files.write(KEY, holder(run).model_dump_json().encode())


def test_while_one_lives_no_other_gets_in_and_afterwards_one_does(store: ReleaseStore) -> None:
    other = Lease(store.files, KEY, holder("other"), **QUICK)
    with (
        Lease(store.files, KEY, holder("one"), **QUICK),
        pytest.raises(ReleaseError, match=r"a trainer, one is at it since 2026-01-31 00:00 UTC.*let it fin"),
        other,
    ):
        pytest.fail("both are in")
    with Lease(store.files, KEY, holder("other"), beat=0.01, silence=1_000.0) as after:
        after.require()
    assert store.files.read(KEY, at_most=1_000) is None
    assert store.channels() == []


def test_a_dead_one_is_followed_after_a_while_and_by_itself_at_once(store: ReleaseStore) -> None:
    dead(store, "killed")
    with Lease(store.files, KEY, holder("killed"), beat=0.01, silence=1_000.0) as itself:
        itself.require()
    dead(store, "killed")
    with Lease(store.files, KEY, holder("other"), beat=0.01, silence=0.2) as other:
        other.require()


def test_who_was_silent_for_too_long_learns_that_another_has_begun(store: ReleaseStore) -> None:
    with Lease(store.files, KEY, holder("frozen"), beat=1_000.0, silence=1_000.0) as frozen:
        with Lease(store.files, KEY, holder("other"), beat=0.01, silence=0.2) as other:
            with pytest.raises(ReleaseError, match="was taken by another"):
                frozen.require()
            other.require()
        # Nor does it put out one that is in.
        dead(store, "third")
    content = store.files.read(KEY, at_most=1_000)
    assert content is not None
    assert Holder.model_validate_json(content).identity == "third"


def test_who_wakes_up_takes_nothing_back(store: ReleaseStore) -> None:
    with Lease(store.files, KEY, holder("frozen"), beat=0.01, silence=1_000.0) as frozen:
        # Again, if it was between a look and its sign of life.
        while frozen._thread.is_alive():
            dead(store, "other")
            time.sleep(0.05)
    content = store.files.read(KEY, at_most=1_000)
    assert content is not None
    assert Holder.model_validate_json(content).identity == "other"


def test_a_store_that_is_away_for_a_moment_ends_no_run(
    store: ReleaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Lease(store.files, KEY, holder("one"), beat=0.01, silence=1_000.0) as lease:
        refused = Event()
        write = store.files.write

        def refuse(key: str, content: bytes) -> None:
            refused.set()
            raise ReleaseError("away")

        monkeypatch.setattr(store.files, "write", refuse)
        assert refused.wait(60)
        monkeypatch.setattr(store.files, "write", write)
        before = store.files.read(KEY, at_most=1_000)
        while store.files.read(KEY, at_most=1_000) == before:
            time.sleep(0.01)
        lease.require()


def test_a_place_that_is_no_place_is_not_taken(store: ReleaseStore) -> None:
    store.files.write(KEY, b"{")
    with (
        pytest.raises(ReleaseError, match="if no trainer runs, remove it"),
        Lease(store.files, KEY, holder("one")),
    ):
        pytest.fail("it was taken")
