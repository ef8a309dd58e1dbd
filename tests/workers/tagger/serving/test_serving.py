"""Which release takes which post, and what becomes of a candidate."""

import gc
import weakref
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from model.inference import Tagger, Tagging, TagRequest
from schemas import Entity, EntityType, Post, Source
from tests.workers.tagger.in_process import wait_until
from workers.metrics import Metrics
from workers.settings import CandidateSettings, PictureSettings
from workers.tagger.job import Job
from workers.tagger.serving import serving as module
from workers.tagger.serving.served import Served
from workers.tagger.serving.serving import Serving
from workers.tagger.serving.verdict import Broken

KEYS = [f"author {number}".encode() for number in range(400)]
LISBON = Entity(type=EntityType.LOC, text="Lisbon", start=3, end=9, score=0.9)
FOUND, NOTHING = Tagging((LISBON,), ()), Tagging((), ())


class Release:
    """A loaded release under another name, and with another backbone if asked."""

    def __init__(self, tagger: Tagger, version: str, backbone: str | None = None) -> None:
        self._tagger = tagger
        self.name, self.version = "tiny", version
        self.backbone_digest = backbone or tagger.backbone_digest

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tagger, name)


@pytest.fixture(scope="module")
def tagger(tiny_release: Path) -> Tagger:
    return Tagger.load(str(tiny_release), dtype="float32")


def serving(tagger: Any, **candidate: Any) -> Serving:
    settings = CandidateSettings.model_validate({"canary_min_posts": 50} | candidate)
    return Serving(Release(tagger, "1"), PictureSettings(redis_url=None), settings, Metrics())  # type: ignore[arg-type]


def release(tagger: Tagger, version: str, backbone: str | None = None) -> Any:
    return Release(tagger, version, backbone)


def jobs(by: Served, count: int, text: str = "In Lisbon") -> list[Job]:
    made = []
    for offset in range(count):
        job = Job(Source(topic="t", partition=0, offset=offset), key=None, value=b"", headers=[], served=by)
        job.post = Post(id=str(offset), text=text)
        made.append(job)
    return made


def sample(serving: Serving, name: str, /, **labels: str) -> float:
    return serving._metrics.registry.get_sample_value(f"rpbert_{name}", labels) or 0.0


def test_a_candidate_takes_its_share_of_the_keys_and_always_the_same_ones(tagger: Tagger) -> None:
    made, other = serving(tagger, canary_share=0.25), serving(tagger, canary_share=0.25)
    for each in (made, other):
        each.try_out(release(tagger, "2"), "salt")
    first = {key: made.take(key).name for key in KEYS}
    assert 70 < sum(name == "tiny/2" for name in first.values()) < 130
    assert {key: made.take(key).name for key in KEYS} == first
    # Another worker draws alike.
    assert {key: other.take(key).name for key in KEYS} == first
    assert made.take(None).name == "tiny/1"
    made.end_candidate()
    assert {made.take(key).name for key in KEYS} == {"tiny/1"}


@pytest.mark.parametrize(
    ("found", "seconds", "broken"),
    [(NOTHING, 0.01, Broken.ENTITIES), (FOUND, 0.5, Broken.LATENCY)],
)
def test_a_candidate_that_leaves_its_bounds_gets_no_more_posts(
    tagger: Tagger, found: Tagging, seconds: float, broken: Broken
) -> None:
    made = serving(tagger, canary_share=0.5)
    made.try_out(release(tagger, "2"), "salt")
    candidate = made.candidate
    assert candidate is not None
    made.tagged(jobs(made.current, 100), [FOUND] * 100, 0.01)
    made.tagged(jobs(candidate, 49), [found] * 49, seconds)
    assert made.verdict() is None
    made.tagged(jobs(candidate, 20), [found] * 20, seconds)
    assert made.candidate is None
    assert {made.take(key).name for key in KEYS} == {"tiny/1"}
    ended = made.verdict()
    assert ended is not None
    assert (ended[0], ended[1].broken) == (candidate, broken)
    assert made.verdict() is None
    assert sample(made, "trials_ended_total", reason=broken.value) == 1
    assert sample(made, "trial_posts_total", outcome="tagged") == 69


def test_what_a_candidate_fails_on_goes_to_the_served_one(tagger: Tagger) -> None:
    made = serving(tagger, canary_share=0.5)
    made.try_out(release(tagger, "2"), "salt")
    candidate = made.candidate
    assert candidate is not None
    made.tagged(jobs(made.current, 100), [FOUND] * 100, 0.01)
    assert not made.failed(made.current)
    assert made.failed(candidate)
    for _ in range(5):
        assert made.failed(candidate)
    ended = made.verdict()
    assert ended is not None
    assert ended[1].broken is Broken.FAILURES


def test_a_candidate_that_is_promoted_is_not_loaded_again(tagger: Tagger) -> None:
    made = serving(tagger, canary_share=0.5)
    made.try_out(release(tagger, "2"), "salt")
    candidate = made.candidate
    made.promote()
    assert made.current is candidate
    assert made.candidate is None
    assert sample(made, "release_info", name="tiny", version="2") == 1


def test_releases_of_one_backbone_share_their_pictures_and_others_never_do(tagger: Tagger) -> None:
    made = serving(tagger)
    first = made.current
    made.replace(release(tagger, "2"))
    assert made.current.pictures is first.pictures
    made.replace(release(tagger, "3", backbone="another"))
    assert made.current.pictures is not first.pictures


def test_a_release_that_was_replaced_goes_once_its_last_post_is_done(tagger: Tagger) -> None:
    made = serving(tagger)
    post = made.take(b"key")
    gone = weakref.ref(post)
    made.replace(release(tagger, "2"))
    made.clear_away()
    gc.collect()
    assert gone() is not None
    made.give_back(post)
    del post
    made.clear_away()
    gc.collect()
    assert gone() is None


def test_memory_goes_back_once_nobody_holds_the_old_release_any_more(
    tagger: Tagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    released: list[str] = []
    monkeypatch.setattr(module, "release_memory", lambda: released.append("now"))
    made = serving(tagger)
    post = jobs(made.take(b"key"), 1)
    made.replace(release(tagger, "2"))
    made.give_back(post[0].served)
    # Done with, but its result isn't committed yet.
    made.clear_away()
    assert not released
    post.clear()
    made.clear_away()
    made.clear_away()
    assert released == ["now"]


def test_pictures_of_an_old_backbone_are_had_until_its_last_post_is_done(tagger: Tagger) -> None:
    made = serving(tagger)
    made.start()
    try:
        post = made.take(b"key")
        made.replace(release(tagger, "2", backbone="another"))
        made.clear_away()
        had = Event()
        post.pictures.submit(("no url",), lambda _: had.set())
        assert had.wait(60)
        made.give_back(post)
        made.clear_away()
        with pytest.raises(RuntimeError, match="not running"):
            post.pictures.submit(("no url",), lambda _: None)
    finally:
        made.close()


class Blind(Release):
    """A candidate that finds nothing."""

    def tag(self, requests: Sequence[TagRequest]) -> list[Tagging]:
        return [Tagging((), tuple(0.5 for _ in request.pictures)) for request in requests]


def test_a_shadow_is_compared_and_takes_no_post(tagger: Tagger) -> None:
    made = serving(tagger, shadow_share=1.0)
    made.start()
    made.try_out(Blind(tagger, "2"), "salt")  # type: ignore[arg-type]
    assert {made.take(key).name for key in KEYS} == {"tiny/1"}
    try:
        made.tagged(jobs(made.current, 3), [FOUND, NOTHING, FOUND], 0.01)
        wait_until(lambda: sample(made, "shadow_posts_total", result="different") == 2, "it is compared")
        assert sample(made, "shadow_posts_total", result="same") == 1
        assert sample(made, "shadow_entities_total", found="served") == 2
        assert sample(made, "shadow_batch_duration_seconds_count", release="candidate") == 1
        assert sample(made, "shadow_batch_duration_seconds_sum", release="served") == 0.01
        assert not made.failed(made.current)
    finally:
        made.close()


def test_a_shadow_that_fails_is_noticed_by_nobody_but_its_count(tagger: Tagger) -> None:
    class Failing(Release):
        def tag(self, requests: Sequence[TagRequest]) -> list[Tagging]:
            raise RuntimeError("no")

    made = serving(tagger, shadow_share=1.0)
    made.try_out(Failing(tagger, "2"), "salt")  # type: ignore[arg-type]
    made.tagged(jobs(made.current, 3), [NOTHING] * 3, 0.01)
    wait_until(lambda: sample(made, "shadow_posts_total", result="failed") == 3, "it is counted")
    made.close()


def test_a_candidate_serves_or_runs_beside() -> None:
    with pytest.raises(ValueError, match=r"canary_share 0.1 and shadow_share 0.2 are both given"):
        CandidateSettings(canary_share=0.1, shadow_share=0.2)
