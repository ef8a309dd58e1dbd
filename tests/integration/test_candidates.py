"""A candidate on trial and in the shadow, under a steady stream on a real broker."""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path

import pytest
import torch

from model.store.reference import ReleaseId
from model.store.store import ReleaseStore
from schemas import ReleaseMark
from tests.integration.following import AUTHORS, NEVER, following, following_settings, steady_stream
from tests.model.tiny import tiny_config
from tests.pipeline import Pipeline
from tests.workers.releases.conftest import Publish, announced, announcing, publish, stores
from tests.workers.tagger.in_process import InProcess, wait_until
from tests.workers.tagger.serving.conftest import Followed, Variant, variant
from workers.settings import KafkaSettings, StoreSettings

__all__ = ["announcing", "publish", "stores", "variant"]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def blind(state: dict[str, torch.Tensor]) -> None:
    """Every word is outside of every entity."""
    state["tagger.scores.bias"][tiny_config().tags.index("O")] += 1_000


def candidate_of(worker: InProcess | Followed) -> str | None:
    candidate = worker.serving.candidate
    return None if candidate is None else candidate.name


def test_a_candidate_that_finds_nothing_is_taken_back_by_the_workers_and_a_good_one_gets_its_share(
    pipeline: Pipeline,
    announcing: KafkaSettings,
    stores: StoreSettings,
    publish: Publish,
    variant: Variant,
) -> None:
    publish("1", announcing)
    trial = {"canary_share": 0.5, "canary_min_posts": 40}
    settings = following_settings(pipeline, announcing, stores.store, refresh=NEVER, candidate=trial)
    worker = following(pipeline, announcing, stores.store, refresh=NEVER, candidate=trial)
    try:
        worker.wait_ready()
        with steady_stream(pipeline) as written, ExitStack() as stack:
            publish(str(variant("2", blind)), announcing, channel="candidate")
            wait_until(
                lambda: worker.sample("rpbert_trials_ended_total", reason="entities") == 1,
                "the trial ends by itself",
            )
            assert candidate_of(worker) is None
            wait_until(lambda: dict(announced(announcing)).get("tiny/2") is not None, "the others are told")
            # One that starts later knows, and doesn't try.
            other = Followed(settings, stack)
            wait_until(lambda: other.sample("release_store_up") == 1, "it has looked")
            publish("3", announcing, channel="candidate")
            wait_until(lambda: candidate_of(worker) == "tiny/3", "the next one is tried")
            wait_until(lambda: candidate_of(other) == "tiny/3", "the next one is tried by the other too")
            assert other.candidates == ["tiny/3"]
            enough = written() + 3 * AUTHORS
            wait_until(lambda: worker.sample("rpbert_posts_tagged_total") >= enough, "posts go on")
        results = pipeline.results(written())
        assert worker.failure is None
        assert worker.sample("rpbert_trials_ended_total", reason="entities") == 1
    finally:
        worker.close()
    mark = dict(announced(announcing))["tiny/2"]
    assert mark is not None
    assert (mark.mark, mark.channel) == (ReleaseMark.REFUSED, "candidate")
    assert "entities a post" in mark.reason
    assert mark.announced_by.startswith("worker of ")

    assert sorted(int(result.id) for _, result in results) == list(range(written()))
    authors: dict[bytes, list[str]] = defaultdict(list)
    for record, result in results:
        authors[record.key].append(result.release.version)
    seen = {tuple(version for version, _ in groupby(versions)) for versions in authors.values()}
    # The same author always sees the same release, as long as it is on trial.
    for changes in seen:
        expected = iter(["1", "2", "1", "3"])
        assert all(change in expected for change in changes)
    assert any("2" in changes for changes in seen)
    assert any("3" in changes for changes in seen)


def test_a_candidate_in_the_shadow_is_compared_and_is_served_at_once_when_it_becomes_stable(
    pipeline: Pipeline, announcing: KafkaSettings, stores: StoreSettings, publish: Publish, variant: Variant
) -> None:
    publish("1", announcing)
    publish(str(variant("2", blind)), announcing, channel="candidate")
    worker = following(pipeline, announcing, stores.store, refresh=NEVER, candidate={"shadow_share": 1.0})
    try:
        worker.wait_ready()
        with steady_stream(pipeline) as written:
            wait_until(
                lambda: worker.sample("rpbert_shadow_posts_total", result="different") > 20, "it is compared"
            )
            shadow = worker.serving.candidate
            assert worker.sample("rpbert_shadow_entities_total", found="candidate") == 0
            assert worker.sample("rpbert_shadow_entities_total", found="served") > 0
            publish("tiny/2", announcing)
            wait_until(lambda: worker.serving.current is shadow, "it is served, not loaded again")
            assert candidate_of(worker) is None
            enough = written() + AUTHORS
            wait_until(lambda: worker.sample("rpbert_posts_tagged_total") >= enough, "posts go on")
        results = pipeline.results(written())
    finally:
        worker.close()
    assert sorted(int(result.id) for _, result in results) == list(range(written()))
    for number in range(pipeline.partitions):
        versions = [result.release.version for _, result in results if result.source.partition == number]
        assert versions == sorted(versions)
    assert ReleaseStore(stores.store).current("stable").release == ReleaseId("tiny", "2")
