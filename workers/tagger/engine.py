"""The thread that has the model to itself: batches in, taggings out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from time import monotonic, perf_counter

import structlog
from kafka import TopicPartition

from model.device import ran_out_of_memory, release_memory
from model.inference import Tagging, TagRequest
from schemas import DeadLetterReason, Stage
from workers.metrics import Metrics
from workers.settings import BatchSettings
from workers.tagger.batcher import Batch, Wait, next_batch
from workers.tagger.description import describe
from workers.tagger.job import Job
from workers.tagger.pictures.picture import Features, Picture
from workers.tagger.serving.served import Served
from workers.tagger.unworkable import Unworkable

_log = structlog.get_logger(__name__)


class EngineSick(Exception):
    """The network fails on whatever it is given: the fault is the device's or the release's, no post's."""


@dataclass(frozen=True, slots=True)
class _Excused:
    """So many jobs that were expected don't come."""

    jobs: int


class Engine:
    """Collects jobs into batches of one release and runs them through it, one batch at a time."""

    def __init__(
        self,
        rule: BatchSettings,
        *,
        finished: Callable[[Job], None],
        tagged: Callable[[Sequence[Job], Sequence[Tagging], float], None] = lambda *_: None,
        failed: Callable[[Job], bool] = lambda _: False,
        metrics: Metrics,
    ) -> None:
        """Wire the engine.

        Args:
            rule: when a batch leaves.
            finished: takes each job once it has its tagging or its failure; called on the engine's thread.
            tagged: is shown each batch with what was found and how many seconds that took, before its
                pictures are let go of.
            failed: is told that the model failed on a job; whether another release has taken it over.
            metrics: of this process.
        """
        self._rule = rule
        self._finished = finished
        self._tagged = tagged
        self._failed = failed
        self._metrics = metrics
        self._batching = metrics.stage_seconds.labels("batching")
        self._arrivals: SimpleQueue[Job | _Excused | None] = SimpleQueue()
        self._expected = 0
        self._lock = Lock()
        self._waiting: list[Job] = []
        self._hurried: Collection[TopicPartition] = ()
        self._sickness: EngineSick | None = None
        self._thread = Thread(target=self._run, name="engine", daemon=True)

    @property
    def waiting(self) -> int:
        """Jobs that wait for their batch, about: its thread may be taking some."""
        return self._arrivals.qsize() + len(self._waiting)

    @property
    def expected(self) -> int:
        """Jobs that were announced and have not come, about."""
        return self._expected - self._arrivals.qsize()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def check(self) -> None:
        """Look whether the engine is well.

        Raises:
            EngineSick: it has ended; posts that it had taken stay unfinished.
        """
        if self._sickness is not None:
            raise self._sickness
        if not self._thread.is_alive():
            raise EngineSick("its thread has ended")

    def expect(self, jobs: int) -> None:
        """So many more will be handed over, each by `submit`, or excused; from any thread.

        A batch that is not full waits for those that are expected.
        """
        with self._lock:
            self._expected += jobs

    def excuse(self, jobs: int) -> None:
        """So many of those expected don't come; from any thread."""
        if jobs:
            self._arrivals.put(_Excused(jobs))

    def hurry(self, partitions: Collection[TopicPartition]) -> None:
        """Take posts of these partitions before all others from the next batch on; from any thread.

        Another worker waits for them. None of them ends it.
        """
        self._hurried = partitions

    def submit(self, job: Job) -> None:
        """Hand over an expected job that has its text and its pictures; from any thread, returns at once."""
        job.enqueued = monotonic()
        self._arrivals.put(job)

    def close(self) -> None:
        """End the thread after the batch under way; what still waits is left unfinished."""
        self._arrivals.put(None)
        self._thread.join()

    def _run(self) -> None:
        patience: float | None = None
        while self._gather(patience):
            if not self._waiting:
                patience = None
                continue
            plan = self._plan()
            if isinstance(plan, Batch):
                try:
                    self._work(self._take(plan))
                except EngineSick as sickness:
                    self._sickness = sickness
                    return
                patience = 0.0
            else:
                patience = plan.seconds

    def _gather(self, patience: float | None) -> bool:
        """Take in what has arrived, after at most `patience` seconds for the first; False once closed."""
        try:
            while (arrival := self._arrivals.get(block=patience != 0.0, timeout=patience)) is not None:
                # Counted as they leave the queue, so that nobody is missing between queue and count.
                if isinstance(arrival, _Excused):
                    self.expect(-arrival.jobs)
                else:
                    self.expect(-1)
                    self._waiting.append(arrival)
                patience = 0.0
        except Empty:
            return True
        return False

    def _plan(self) -> Batch | Wait:
        """The next batch; it is of one release, the one of the longest wait first."""
        groups: dict[Served, list[int]] = {}
        for index in self._hurried_first() or range(len(self._waiting)):
            groups.setdefault(self._waiting[index].served, []).append(index)
        now, coming, waits = monotonic(), self._expected > 0, []
        for group in groups.values():
            plan = next_batch([self._waiting[index] for index in group], self._rule, now, coming=coming)
            if isinstance(plan, Batch):
                return Batch(tuple(group[member] for member in plan.members))
            waits.append(plan.seconds)
        return Wait(min(waits))

    def _hurried_first(self) -> list[int]:
        hurried = self._hurried
        return (
            [index for index, job in enumerate(self._waiting) if job.partition in hurried] if hurried else []
        )

    def _take(self, batch: Batch) -> list[Job]:
        jobs = [self._waiting[index] for index in batch.members]
        left = set(range(len(self._waiting))) - set(batch.members)
        self._waiting = [self._waiting[index] for index in sorted(left)]
        self._observe(jobs)
        return jobs

    def _work(self, batch: list[Job]) -> None:
        """Tag a batch; where that fails, halve it until the post at fault stands alone.

        Raises:
            EngineSick: the network fails on known good posts as well.
        """
        try:
            self._describe(batch)
            began = perf_counter()
            taggings = self._tag(batch)
            seconds = perf_counter() - began
        except Exception as error:  # noqa: BLE001 - whatever a post does to the model, its batch mates go on
            too_large, alone = ran_out_of_memory(error), len(batch) == 1
            failed = batch[0].served.name
            if alone and self._failed(batch[0]):
                _log.warning(
                    "a release failed on a post, and another has taken it over",
                    release=failed,
                    error=type(error).__name__,
                )
                return
            if not too_large and alone:
                _log.exception("the model failed on a post", source=batch[0].source.model_dump())
        else:
            self._tagged(batch, taggings, seconds)
            self._finish(batch, taggings)
            return
        # Out here nothing of the failed attempt is held any more by its traceback.
        if too_large:
            self._metrics.out_of_memory.inc()
            release_memory()
        if len(batch) > 1:
            middle = len(batch) // 2
            self._work(batch[:middle])
            self._work(batch[middle:])
            return
        self._rule_out_sickness(batch[0].served)
        message = (
            "This post needs more memory than the model's device has."
            if too_large
            else "The model failed on this post."
        )
        batch[0].failure = Unworkable(DeadLetterReason.MODEL_FAILED, Stage.ENGINE, message)
        self._finished(batch[0])

    def _rule_out_sickness(self, served: Served) -> None:
        try:
            served.tagger.warm_up()
        except Exception as error:
            raise EngineSick("the model fails on known good posts too") from error

    def _finish(self, batch: Sequence[Job], taggings: Sequence[Tagging]) -> None:
        now = monotonic()
        for job, tagging in zip(batch, taggings, strict=True):
            # Up to 800 KB a post that nobody needs until its commit.
            job.pictures = tuple(replace(picture, features=None) for picture in job.pictures)
            job.tagging, job.tagged = tagging, now
            self._finished(job)

    def _tag(self, batch: Sequence[Job]) -> list[Tagging]:
        with self._metrics.stage("tag"):
            taggings = batch[0].served.tagger.tag([_request(job) for job in batch])
        if len(taggings) != len(batch):
            raise RuntimeError(f"the network gave {len(taggings)} taggings for {len(batch)} posts")
        if not all(0 <= score <= 1 for tagging in taggings for score in tagging.relevance):
            raise RuntimeError("the network gave a relation score that is no probability")
        return taggings

    def _describe(self, batch: Sequence[Job]) -> None:
        served = batch[0].served
        for job in batch:
            job.pictures = tuple(_up_to_date(picture, served) for picture in job.pictures)
        if all(picture.pixels is None for job in batch for picture in job.pictures):
            return
        with self._metrics.stage("describe"):
            described = describe(served.tagger, [job.pictures for job in batch])
        fresh: dict[str, Features] = {}
        for job, pictures in zip(batch, described, strict=True):
            for before, after in zip(job.pictures, pictures, strict=True):
                if before.pixels is not None and after.content is not None and after.features is not None:
                    fresh[after.content] = after.features
            job.pictures = pictures
        for content, features in fresh.items():
            served.pictures.remember(content, features)

    def _observe(self, batch: Sequence[Job]) -> None:
        longest = max(job.tokens for job in batch)
        paid = longest * len(batch)
        now = monotonic()
        for job in batch:
            self._batching.observe(now - job.enqueued)
        self._metrics.batch_posts.observe(len(batch))
        if paid:
            self._metrics.batch_padding.observe(1 - sum(job.tokens for job in batch) / paid)


def _up_to_date(picture: Picture, served: Served) -> Picture:
    """The picture with its features, where an earlier batch has described it meanwhile."""
    if picture.pixels is None or picture.content is None:
        return picture
    features = served.pictures.described(picture.content)
    return picture if features is None else replace(picture, pixels=None, features=features)


def _request(job: Job) -> TagRequest:
    if job.text is None:
        raise ValueError("a job reaches the engine with its text prepared")
    pictures = tuple(picture.features for picture in job.pictures if picture.features is not None)
    return TagRequest(text=job.text, pictures=pictures)
