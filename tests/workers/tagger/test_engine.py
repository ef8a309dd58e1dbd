from collections.abc import Iterator, Sequence
from queue import SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from model.inference import PreparedText, Tagger, Tagging, TagRequest
from schemas import DeadLetterReason, ImageStatus, Source
from workers.metrics import Metrics
from workers.settings import BatchSettings
from workers.tagger.engine import Engine
from workers.tagger.job import Job
from workers.tagger.pictures.picture import Features, Picture

POISON = "poison"


class Faulty:
    """A network that fails on any batch which holds a poisoned post, as no real one does on demand."""

    def __init__(self) -> None:
        self.described: list[int] = []
        self.seen: set[float] = set()

    def describe(self, pixels: npt.NDArray[np.uint8]) -> Features:
        self.described.append(len(pixels))
        return np.stack([np.full((49, 4), image.max(), np.float16) for image in pixels])

    def tag(self, requests: Sequence[TagRequest]) -> list[Tagging]:
        self.seen |= {float(picture.max()) for request in requests for picture in request.pictures}
        if any(request.text.text == POISON for request in requests):
            raise RuntimeError("a library's own words about http://user:secret@host")
        return [Tagging((), tuple(0.5 for _ in request.pictures)) for request in requests]


class Bench:
    """An engine around a network, and what comes out of it."""

    def __init__(self, network: Any, rule: BatchSettings) -> None:
        self.finished: SimpleQueue[Job] = SimpleQueue()
        self.remembered: list[str] = []
        self.engine = Engine(
            network,
            rule,
            finished=self.finished.put,
            remember=lambda content, _: self.remembered.append(content),
            metrics=Metrics(),
        )
        self.engine.start()

    def collect(self, count: int) -> list[Job]:
        return [self.finished.get(timeout=20) for _ in range(count)]


@pytest.fixture
def faulty() -> Faulty:
    return Faulty()


@pytest.fixture
def bench(faulty: Faulty) -> Iterator[Bench]:
    made = Bench(faulty, BatchSettings(batch_posts=8, batch_wait_ms=5_000))
    yield made
    made.engine.close()


def test_a_picture_that_was_described_since_its_post_came_is_not_described_again(
    faulty: Faulty, prepare: Any
) -> None:
    kept: dict[str, Features] = {}
    finished: SimpleQueue[Job] = SimpleQueue()
    engine = Engine(
        faulty,
        BatchSettings(batch_posts=1),
        finished=finished.put,
        remember=kept.__setitem__,
        described=kept.get,
        metrics=Metrics(),
    )
    engine.start()
    try:
        for offset in range(5):
            engine.submit(job(prepare("a"), offset, pixels("one", 7), pixels("two", 9)))
        found = [finished.get(timeout=20) for _ in range(5)]
    finally:
        engine.close()
    assert faulty.described == [2]
    assert faulty.seen == {7.0, 9.0}
    assert [len(each.tagging.relevance) for each in found if each.tagging is not None] == [2] * 5


@pytest.fixture(scope="module")
def prepare(tiny_release: Any) -> Any:
    return Tagger.load(str(tiny_release), dtype="float32").prepare


def job(text: PreparedText, offset: int, *pictures: Picture) -> Job:
    made = Job(Source(topic="posts.raw", partition=0, offset=offset), key=None, value=b"", headers=[])
    made.text, made.pictures = text, pictures
    return made


def pixels(content: str, value: int) -> Picture:
    return Picture(
        f"http://host/{content}",
        ImageStatus.OK,
        content,
        pixels=np.full((224, 224, 3), value, np.uint8),
    )


def test_a_poisoned_post_fails_alone(bench: Bench, prepare: Any) -> None:
    for offset in range(8):
        bench.engine.submit(job(prepare(POISON if offset == 5 else f"post {offset}"), offset))
    done = {each.source.offset: each for each in bench.collect(8)}
    failure = done.pop(5).failure
    assert failure is not None
    assert failure.reason is DeadLetterReason.MODEL_FAILED
    assert "secret" not in failure.message
    assert all(each.tagging is not None and each.failure is None for each in done.values())


def test_the_engine_goes_on_after_a_poisoned_post(bench: Bench, prepare: Any) -> None:
    for offset in range(16):
        bench.engine.submit(job(prepare(POISON if offset < 8 else "well"), offset))
    done = bench.collect(16)
    assert sum(each.failure is None for each in done) == 8


def test_a_picture_of_several_posts_is_computed_once(bench: Bench, faulty: Faulty, prepare: Any) -> None:
    for offset in range(8):
        content = "cat" if offset % 2 else "dog"
        bench.engine.submit(job(prepare("x"), offset, pixels(content, 1 if offset % 2 else 2)))
    done = bench.collect(8)
    assert faulty.described == [2]
    assert sorted(bench.remembered) == ["cat", "dog"]
    assert faulty.seen == {1.0, 2.0}
    # Nothing large waits for the commit.
    assert all(each.pictures[0].pixels is None and each.pictures[0].features is None for each in done)


def test_a_cached_picture_is_not_computed_nor_written_again(
    bench: Bench, faulty: Faulty, prepare: Any
) -> None:
    cached = Picture("http://host/a", ImageStatus.OK, "a", features=np.zeros((49, 4), np.float16))
    for offset in range(8):
        bench.engine.submit(job(prepare("x"), offset, cached))
    bench.collect(8)
    assert faulty.described == []
    assert bench.remembered == []


def test_a_picture_that_is_not_to_be_had_takes_no_part(bench: Bench, prepare: Any) -> None:
    lost = Picture("http://host/lost", ImageStatus.TIMEOUT)
    for offset in range(8):
        bench.engine.submit(job(prepare("x"), offset, lost, pixels("cat", 3)))
    assert all(each.tagging and each.tagging.relevance == (0.5,) for each in bench.collect(8))


def test_a_lone_post_is_tagged_after_its_wait(faulty: Faulty, prepare: Any) -> None:
    bench = Bench(faulty, BatchSettings(batch_wait_ms=10))
    bench.engine.submit(job(prepare("alone"), 0))
    assert bench.collect(1)[0].tagging is not None
    bench.engine.close()


def test_close_leaves_what_waits_unfinished(bench: Bench, prepare: Any) -> None:
    waiting = job(prepare("x"), 0)
    bench.engine.submit(waiting)
    bench.engine.close()
    assert not waiting.finished


def test_a_relation_score_that_is_no_probability_fails_its_post(prepare: Any) -> None:
    class Broken(Faulty):
        def tag(self, requests: Sequence[TagRequest]) -> list[Tagging]:
            return [Tagging((), (float("nan"),) if request.pictures else ()) for request in requests]

    broken = Bench(Broken(), BatchSettings(batch_posts=2, batch_wait_ms=5_000))
    broken.engine.submit(job(prepare("well"), 0))
    broken.engine.submit(job(prepare("nan"), 1, pixels("cat", 1)))
    done = {each.source.offset: each for each in broken.collect(2)}
    assert done[0].failure is None
    assert done[1].failure is not None
    broken.engine.close()
