from collections.abc import Iterator, Sequence
from queue import SimpleQueue
from threading import Event
from time import sleep
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from kafka import TopicPartition
from tenacity import retry, retry_if_not_exception_type, stop_after_delay, wait_fixed

from model.inference import PreparedText, Tagger, Tagging, TagRequest
from schemas import DeadLetterReason, ImageStatus, Source
from tests.workers.tagger.served import Forgetful, Kept, served
from workers.metrics import Metrics
from workers.settings import BatchSettings
from workers.tagger.engine import Engine, EngineSick, _Excused
from workers.tagger.job import Job
from workers.tagger.pictures.picture import Features, Picture
from workers.tagger.serving.served import Served

POISON = "poison"
FOR_EVER = BatchSettings().model_copy(update={"batch_wait_ms": 1e9})


class Faulty:
    """A network that fails on any batch which holds a poisoned post, as no real one does on demand."""

    name, version = "faulty", "1"

    def __init__(self) -> None:
        self.described: list[int] = []
        self.seen: set[float] = set()
        self.warmed = 0

    def describe(self, pixels: npt.NDArray[np.uint8]) -> Features:
        self.described.append(len(pixels))
        return np.stack([np.full((49, 4), image.max(), np.float16) for image in pixels])

    def tag(self, requests: Sequence[TagRequest]) -> list[Tagging]:
        self.seen |= {float(picture.max()) for request in requests for picture in request.pictures}
        if any(request.text.text == POISON for request in requests):
            raise RuntimeError("a library's own words about http://user:secret@host")
        return [Tagging((), tuple(0.5 for _ in request.pictures)) for request in requests]

    def warm_up(self) -> None:
        self.warmed += 1


class Small(Faulty):
    """A network on a device whose memory holds two posts at a time; an endless post never fits."""

    def tag(self, requests: Sequence[TagRequest]) -> list[Tagging]:
        if len(requests) > 2 or any(request.text.text == POISON for request in requests):
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return super().tag(requests)


class Dead(Faulty):
    """A network whose device is gone: it fails on everything, as CUDA does after an illegal access."""

    def tag(self, requests: Sequence[TagRequest]) -> list[Tagging]:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    def warm_up(self) -> None:
        self.tag([])


class Bench:
    """An engine around a network, and what comes out of it.

    Args:
        expected: posts that the engine is told of beside those that come.
    """

    def __init__(
        self, network: Any, rule: BatchSettings, kept: Kept | None = None, *, expected: int = 1
    ) -> None:
        self.finished: SimpleQueue[Job] = SimpleQueue()
        self.kept = kept or Forgetful()
        self.served = served(network, self.kept)
        self.metrics = Metrics()
        self.engine = Engine(
            rule,
            finished=self.finished.put,
            metrics=self.metrics,
        )
        self.engine.expect(expected)
        self.engine.start()

    def submit(self, text: PreparedText, offset: int, *pictures: Picture) -> None:
        self.bring(job(self.served, text, offset, *pictures))

    def bring(self, job: Job) -> None:
        self.engine.expect(1)
        self.engine.submit(job)

    @property
    def batches(self) -> list[int]:
        """How many batches have left, and with how many posts in all."""
        value = self.metrics.registry.get_sample_value
        return [int(value(f"rpbert_batch_posts_{part}") or 0) for part in ("count", "sum")]

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
    bench = Bench(faulty, BatchSettings(batch_posts=1), Kept())
    try:
        for offset in range(5):
            bench.submit(prepare("a"), offset, pixels("one", 7), pixels("two", 9))
        found = bench.collect(5)
    finally:
        bench.engine.close()
    assert faulty.described == [2]
    assert faulty.seen == {7.0, 9.0}
    assert [len(each.tagging.relevance) for each in found if each.tagging is not None] == [2] * 5


@pytest.fixture(scope="module")
def prepare(tiny_release: Any) -> Any:
    return Tagger.load(str(tiny_release), dtype="float32").prepare


def job(by: Served, text: PreparedText, offset: int, *pictures: Picture) -> Job:
    source = Source(topic="posts.raw", partition=0, offset=offset)
    made = Job(source, key=None, value=b"", headers=[], served=by)
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
        bench.submit(prepare(POISON if offset == 5 else f"post {offset}"), offset)
    done = {each.source.offset: each for each in bench.collect(8)}
    failure = done.pop(5).failure
    assert failure is not None
    assert failure.reason is DeadLetterReason.MODEL_FAILED
    assert "secret" not in failure.message
    assert all(each.tagging is not None and each.failure is None for each in done.values())


def test_the_engine_goes_on_after_a_poisoned_post(bench: Bench, prepare: Any) -> None:
    for offset in range(16):
        bench.submit(prepare(POISON if offset < 8 else "well"), offset)
    done = bench.collect(16)
    assert sum(each.failure is None for each in done) == 8


def test_a_batch_too_large_for_the_device_is_halved_and_nobody_is_poison(prepare: Any) -> None:
    small = Bench(Small(), BatchSettings(batch_posts=8, batch_wait_ms=5_000))
    for offset in range(8):
        small.submit(prepare(f"post {offset}"), offset)
    assert all(each.tagging is not None and each.failure is None for each in small.collect(8))
    assert small.metrics.registry.get_sample_value("rpbert_batches_out_of_memory_total") == 3
    small.engine.close()


def test_a_post_that_never_fits_the_device_fails_alone(prepare: Any) -> None:
    small = Bench(Small(), BatchSettings(batch_posts=2, batch_wait_ms=5_000))
    small.submit(prepare("well"), 0)
    small.submit(prepare(POISON), 1)
    done = {each.source.offset: each for each in small.collect(2)}
    assert done[0].tagging is not None
    assert done[1].failure is not None
    assert "memory" in done[1].failure.message
    small.engine.check()
    small.engine.close()


def test_a_dead_device_ends_the_engine_and_blames_no_post(prepare: Any) -> None:
    dead = Bench(Dead(), BatchSettings(batch_posts=8, batch_wait_ms=5_000))
    jobs = [job(dead.served, prepare(f"post {offset}"), offset) for offset in range(8)]
    for each in jobs:
        dead.bring(each)

    @retry(retry=retry_if_not_exception_type(EngineSick), stop=stop_after_delay(20), wait=wait_fixed(0.05))
    def look() -> None:
        dead.engine.check()
        raise AssertionError("the engine still runs")

    with pytest.raises(EngineSick):
        look()
    assert dead.finished.empty()
    assert not any(each.finished for each in jobs)
    dead.engine.close()


def test_only_a_post_that_failed_alone_is_doubted(bench: Bench, faulty: Faulty, prepare: Any) -> None:
    for offset in range(8):
        bench.submit(prepare(POISON if offset == 5 else f"post {offset}"), offset)
    bench.collect(8)
    assert faulty.warmed == 1


def test_a_picture_of_several_posts_is_computed_once(bench: Bench, faulty: Faulty, prepare: Any) -> None:
    for offset in range(8):
        content = "cat" if offset % 2 else "dog"
        bench.submit(prepare("x"), offset, pixels(content, 1 if offset % 2 else 2))
    done = bench.collect(8)
    assert faulty.described == [2]
    assert sorted(bench.kept.remembered) == ["cat", "dog"]
    assert faulty.seen == {1.0, 2.0}
    # Nothing large waits for the commit.
    assert all(each.pictures[0].pixels is None and each.pictures[0].features is None for each in done)


def test_a_cached_picture_is_not_computed_nor_written_again(
    bench: Bench, faulty: Faulty, prepare: Any
) -> None:
    cached = Picture("http://host/a", ImageStatus.OK, "a", features=np.zeros((49, 4), np.float16))
    for offset in range(8):
        bench.submit(prepare("x"), offset, cached)
    bench.collect(8)
    assert faulty.described == []
    assert bench.kept.remembered == []


def test_a_picture_that_is_not_to_be_had_takes_no_part(bench: Bench, prepare: Any) -> None:
    lost = Picture("http://host/lost", ImageStatus.TIMEOUT)
    for offset in range(8):
        bench.submit(prepare("x"), offset, lost, pixels("cat", 3))
    assert all(each.tagging and each.tagging.relevance == (0.5,) for each in bench.collect(8))


def test_a_lone_post_does_not_wait(faulty: Faulty, prepare: Any) -> None:
    bench = Bench(faulty, FOR_EVER, expected=0)
    bench.submit(prepare("alone"), 0)
    assert bench.collect(1)[0].tagging is not None
    bench.engine.close()


class Hesitant(SimpleQueue[Any]):
    """Arrivals that let the engine plan right before each of them."""

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        super().put(_Excused(0), block, timeout)
        looked_at(self)
        super().put(item, block, timeout)


def looked_at(arrivals: SimpleQueue[Any]) -> None:
    """Let the engine take in what has arrived, and plan."""
    while arrivals.qsize():
        sleep(0.001)
    sleep(0.05)


def test_a_batch_that_is_planned_as_its_last_post_arrives_is_not_one_short(
    faulty: Faulty, prepare: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.tagger.engine.SimpleQueue", Hesitant)
    bench = Bench(faulty, FOR_EVER, expected=3)
    for offset in range(3):
        bench.engine.submit(job(bench.served, prepare("x"), offset))
    bench.collect(3)
    assert bench.batches == [1, 3]
    bench.engine.close()


def test_who_does_not_come_any_more_is_not_waited_for(faulty: Faulty, prepare: Any) -> None:
    bench = Bench(faulty, FOR_EVER, expected=3)
    bench.submit(prepare("here"), 0)
    looked_at(bench.engine._arrivals)
    assert bench.finished.empty()
    bench.engine.excuse(3)
    assert bench.collect(1)[0].tagging is not None
    bench.engine.close()


def test_a_post_whose_mates_do_not_come_is_tagged_after_its_wait(faulty: Faulty, prepare: Any) -> None:
    bench = Bench(faulty, BatchSettings(batch_wait_ms=10))
    bench.submit(prepare("alone"), 0)
    assert bench.collect(1)[0].tagging is not None
    bench.engine.close()


def test_close_leaves_what_waits_unfinished(bench: Bench, prepare: Any) -> None:
    waiting = job(bench.served, prepare("x"), 0)
    bench.bring(waiting)
    bench.engine.close()
    assert not waiting.finished


def test_a_relation_score_that_is_no_probability_fails_its_post(prepare: Any) -> None:
    class Broken(Faulty):
        def tag(self, requests: Sequence[TagRequest]) -> list[Tagging]:
            return [Tagging((), (float("nan"),) if request.pictures else ()) for request in requests]

    broken = Bench(Broken(), BatchSettings(batch_posts=2, batch_wait_ms=5_000))
    broken.submit(prepare("well"), 0)
    broken.submit(prepare("nan"), 1, pixels("cat", 1))
    done = {each.source.offset: each for each in broken.collect(2)}
    assert done[0].failure is None
    assert done[1].failure is not None
    broken.engine.close()


def test_a_batch_is_of_one_release_and_each_release_has_its_own_posts(prepare: Any) -> None:
    class Noting(Faulty):
        def __init__(self) -> None:
            super().__init__()
            self.tagged: list[list[str]] = []

        def tag(self, requests: Sequence[TagRequest]) -> list[Tagging]:
            self.tagged.append([request.text.text for request in requests])
            return super().tag(requests)

    old, new = Noting(), Noting()
    bench = Bench(old, BatchSettings(batch_posts=4, batch_wait_ms=200))
    other = served(new)
    for offset in range(10):
        bench.bring(job(bench.served if offset % 2 else other, prepare(f"post {offset}"), offset))
    bench.collect(10)
    bench.engine.close()
    assert sorted(text for batch in old.tagged for text in batch) == [
        f"post {number}" for number in (1, 3, 5, 7, 9)
    ]
    assert sorted(text for batch in new.tagged for text in batch) == [
        f"post {number}" for number in (0, 2, 4, 6, 8)
    ]


def test_hurried_partitions_come_first_and_then_all_as_ever(prepare: Any) -> None:
    first, may_go = Event(), Event()

    class Holding(Faulty):
        def tag(self, requests: Sequence[TagRequest]) -> list[Tagging]:
            first.set()
            assert may_go.wait(20)
            return super().tag(requests)

    bench = Bench(Holding(), BatchSettings(batch_posts=1), expected=0)
    try:
        for offset in range(9):
            made = job(bench.served, prepare(f"post {offset}"), offset)
            made.source = Source(topic="posts.raw", partition=offset % 3, offset=offset)
            bench.bring(made)
        # The engine is at one post.
        assert first.wait(20)
        bench.engine.hurry([TopicPartition("posts.raw", 2), TopicPartition("posts.raw", 9)])
        may_go.set()
        offsets = [each.source.offset for each in bench.collect(4)]
        assert offsets == [0, 2, 5, 8]
        assert [each.source.offset for each in bench.collect(5)] == [1, 3, 4, 6, 7]
    finally:
        bench.engine.close()


def test_a_post_that_another_release_takes_over_is_neither_blamed_nor_finished(prepare: Any) -> None:
    faulty, taken = Faulty(), SimpleQueue[Job]()
    finished: SimpleQueue[Job] = SimpleQueue()

    def failed(job: Job) -> bool:
        taken.put(job)
        return True

    engine = Engine(
        BatchSettings(batch_posts=2, batch_wait_ms=5_000),
        finished=finished.put,
        failed=failed,
        metrics=Metrics(),
    )
    engine.expect(2)
    engine.start()
    by = served(faulty)
    engine.submit(job(by, prepare(POISON), 0))
    engine.submit(job(by, prepare("well"), 1))
    assert taken.get(timeout=20).source.offset == 0
    assert finished.get(timeout=20).source.offset == 1
    engine.close()
    assert finished.empty()
    assert faulty.warmed == 0
