"""The loop: what people correct comes out right from the next release on."""

import random

import pytest

from model.store.reference import ReleaseId
from tests.command_line import Rpbert
from tests.refresh import Stage, annotated, conll, found, new_post, old_post, shuffled
from workers.releases.board import Board


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def test_a_type_that_the_release_misses_is_annotated_and_then_found(stage: Stage, rpbert: Rpbert) -> None:
    posts = [new_post(random.Random(seed)) for seed in range(300)]
    old = stage.served()
    assert not [text for text, spans in posts[:30] if found(old, text) == set(spans)]
    stage.annotate(annotated(posts))
    run = rpbert(*stage.words())
    assert run.status == 0, run.errors
    assert "published tiny/1.1.0 to stable" in run.errors

    new = stage.served()
    assert (new.name, new.version) == ("tiny", "1.1.0")
    right = [found(new, text) == set(spans) for text, spans in posts]
    assert sum(right) >= 0.95 * len(posts)
    assert Board.read(stage.kafka).channels["stable"].version == "1.1.0"
    (report,) = stage.reports()
    assert report["run"]["outcome"] == "published"
    assert report["run"]["lineage"]["until_offsets"] == "0:300"


def test_a_candidate_of_shuffled_labels_is_refused(stage: Stage, rpbert: Rpbert) -> None:
    draw = random.Random(1)
    spoiled = shuffled([old_post(draw) for _ in range(200)], draw)
    gold = stage.directory / "spoiled.txt"
    gold.write_text(conll(spoiled), encoding="utf-8")
    stage.annotate(annotated(shuffled([new_post(draw) for _ in range(100)], draw)))
    run = rpbert(*stage.words(train=gold))
    assert run.status == 3, run.errors
    assert "refused tiny/1.1.0: micro F1 on " in run.errors

    assert stage.store.current("stable").version == "1.0.0"
    assert stage.store.releases() == [ReleaseId("tiny", "1.0.0")]
    assert Board.read(stage.kafka).channels == {}
    (report,) = stage.reports()
    assert report["run"]["outcome"] == "refused"
