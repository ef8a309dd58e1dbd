import os
import time
from pathlib import Path

import pytest

from model.manifest import MANIFEST
from model.store.prune import plan_pruning, prune
from model.store.store import ReleaseStore
from tests.model.store.conftest import Publish
from tests.model.store.releases import small, small_release

TWO_DAYS_AGO = time.time() - 2 * 86_400


def test_the_newest_stay_and_what_a_channel_needs(store: ReleaseStore, publish: Publish) -> None:
    for version in ("1", "2", "3", "4", "5", "6"):
        publish(version, channel=None)
    publish("1", channel=None, name="base")
    for version in ("1", "2", "3"):
        store.point("stable", small(version), by="ada", reason="")
    plan = plan_pruning(store, 1)
    assert plan.releases == (small("1"), small("4"), small("5"))
    assert [str(each) for each in store.releases()][-1] == "small/6"
    prune(store, plan)
    assert list(map(str, store.releases())) == ["base/1", "small/2", "small/3", "small/6"]
    store.roll_back("stable", by="ada", reason="bad")
    store.verify(store.current("stable").release)
    assert plan_pruning(store, 10).releases == ()


def test_what_was_pointed_at_meanwhile_stays(store: ReleaseStore, publish: Publish) -> None:
    for version in ("1", "2"):
        publish(version, channel=None)
    plan = plan_pruning(store, 1)
    assert plan.releases == (small("1"),)
    store.point("stable", small("1"), by="ada", reason="")
    prune(store, plan)
    store.verify(small("1"))


def test_the_manifest_goes_first(
    store: ReleaseStore, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("1", channel=None)
    publish("2", channel=None)
    plan = plan_pruning(store, 1)
    removed: list[str] = []
    monkeypatch.setattr(store.files, "remove", removed.append)
    prune(store, plan)
    assert removed == [f"small/1/{MANIFEST}", "small/1"]


def test_what_was_broken_off_a_day_ago_goes(tmp_path: Path) -> None:
    store = ReleaseStore(str(tmp_path / "store"))
    for version in ("1", "2", "3"):
        store.add(small_release(tmp_path / version, version))
    for version in ("1", "2"):
        (tmp_path / "store" / "small" / version / MANIFEST).unlink()
    left = tmp_path / "store" / "small" / "3" / ".part-left"
    left.write_bytes(b"half")
    young = tmp_path / "store" / "channels" / ".part-young"
    young.parent.mkdir()
    young.write_bytes(b"half")
    for path in [left, *(tmp_path / "store" / "small" / "1").iterdir()]:
        os.utime(path, (TWO_DAYS_AGO, TWO_DAYS_AGO))
    plan = plan_pruning(store, 10)
    # The second may still be under way.
    assert plan.unfinished == (small("1"),)
    prune(store, plan)
    assert store.unfinished() == [small("2")]
    assert not left.exists()
    assert young.exists()
    store.verify(small("3"))
