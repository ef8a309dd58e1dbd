"""One tagger process: wires the stages and turns the loop that owns Kafka."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event
from time import monotonic
from typing import Final

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.structs import MemberState

from model.inference import Tagger
from schemas import DeadLetterReason, Source, Stage
from workers.metrics import Metrics
from workers.settings import WorkerSettings
from workers.tagger.checkpoint import Checkpoint
from workers.tagger.engine import Engine
from workers.tagger.health import Health
from workers.tagger.intake import read_post
from workers.tagger.job import Job
from workers.tagger.outcome import Outcomes
from workers.tagger.pictures.picture import Picture
from workers.tagger.pictures.service import PictureService
from workers.tagger.publisher import CommitFailed, Publisher
from workers.tagger.unworkable import Unworkable

_log = structlog.get_logger(__name__)

_POLL_MS: Final = 20
_LOOK_SECONDS: Final = 0.25
# Partitions that were paused at the limit start again once this share of it is free.
_RESUME_SHARE: Final = 0.75


class Worker:
    """Reads posts, sees them through the stages and commits their results.

    One thread, the caller of `run`, owns the Kafka clients: it polls, hands on, collects what is finished
    and commits. Polling goes on while partitions are paused, so that the membership never lapses.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        tagger: Tagger,
        consumer: KafkaConsumer,
        publisher: Publisher,
        outcomes: Outcomes,
        metrics: Metrics,
        health: Health,
    ) -> None:
        """Wire the stages; nothing starts before `run`."""
        self._settings = settings
        self._tagger = tagger
        self._consumer = consumer
        self._publisher = publisher
        self._outcomes = outcomes
        self._metrics = metrics
        self._health = health
        self._checkpoint = Checkpoint()
        self._finished: SimpleQueue[Job] = SimpleQueue()
        self._read: dict[TopicPartition, int] = {}
        self._under_way = 0
        self._last_commit = monotonic()
        self._last_look = 0.0
        self._stopping = Event()
        self._pictures = PictureService(
            settings.pictures,
            backbone_digest=tagger.backbone_digest,
            feature_channels=tagger.feature_channels,
            metrics=metrics,
        )
        self._engine = Engine(
            tagger,
            settings.batch,
            finished=self._finished.put,
            remember=self._pictures.remember,
            described=self._pictures.described,
            metrics=metrics,
        )

    @property
    def stopping(self) -> bool:
        """Whether `stop` was asked for."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """Ask `run` to finish what is in flight, commit and return; from any thread or a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Work until `stop`.

        Raises:
            workers.tagger.publisher.PublisherLost: another worker has taken this one's place.
        """
        self._pictures.start()
        self._engine.start()
        self._consumer.subscribe(
            [self._settings.kafka.input_topic], listener=_Rebalances(self, self._metrics)
        )
        self._health.started = True
        try:
            while not self._stopping.is_set():
                self._turn()
            # What does not finish in time is read again by the partition's next owner.
            self._drain(self._consumer.assignment())
        finally:
            # From here on nothing is drained or committed, also not when the consumer's close revokes.
            self._checkpoint = Checkpoint()
            self._engine.close()
            self._pictures.close()

    def _turn(self) -> None:
        self._health.turned = monotonic()
        for records in self._consumer.poll(timeout_ms=_POLL_MS, max_records=self._room()).values():
            for record in records:
                self._take_in(record)
        self._collect()
        if not self._engine.running:
            raise RuntimeError("the engine's thread has ended")
        if self._commit_is_due():
            self._commit()
        if self._health.turned - self._last_look >= _LOOK_SECONDS:
            self._observe()
        self._press_back()

    def _room(self) -> int:
        return max(1, self._settings.max_in_flight - self._in_flight)

    @property
    def _in_flight(self) -> int:
        # A job of a partition that was taken from us is out of the checkpoint, yet still in the stages.
        return max(len(self._checkpoint), self._under_way)

    def _take_in(self, record: ConsumerRecord) -> None:
        source = Source(topic=record.topic, partition=record.partition, offset=record.offset)
        job = Job(source, record.key, record.value, record.headers)
        self._read[job.partition] = record.offset + 1
        self._metrics.posts_received.inc()
        self._checkpoint.begin(job)
        try:
            with self._metrics.stage("intake"):
                job.post = read_post(record.value)
                job.text = self._tagger.prepare(job.post.text)
        except Unworkable as failure:
            job.failure = failure
            return
        except Exception:  # noqa: BLE001 - one post may not end the worker, whatever it does to the tokenizer
            _log.exception("a post could not be prepared", source=source.model_dump())
            job.failure = Unworkable(
                DeadLetterReason.MODEL_FAILED, Stage.INTAKE, "The model could not prepare this post's text."
            )
            return
        self._under_way += 1
        if urls := job.post.pictures:
            self._pictures.submit(urls, partial(self._illustrated, job))
        else:
            self._engine.submit(job)

    def _illustrated(self, job: Job, pictures: tuple[Picture, ...]) -> None:
        job.pictures = pictures
        self._engine.submit(job)

    def _collect(self, timeout: float = 0.0) -> None:
        """Count in what the engine has finished, waiting at most `timeout` seconds for the first."""
        try:
            while self._finished.get(block=timeout > 0, timeout=timeout):
                self._under_way -= 1
                timeout = 0.0
        except Empty:
            return

    def _commit_is_due(self) -> bool:
        waited = (monotonic() - self._last_commit) * 1_000
        return (
            waited >= self._settings.commit_interval_ms
            or len(self._checkpoint) >= self._settings.max_in_flight
        )

    def _commit(self) -> None:
        """Publish and commit every finished prefix; one that fails is tried again with the next."""
        self._last_commit = monotonic()
        prefix = self._checkpoint.ready()
        if not prefix.jobs:
            return
        records = [(self._outcomes.record(job), job.source.partition) for job in prefix.jobs]
        try:
            with self._metrics.stage("commit"):
                self._publisher.commit(records, prefix.offsets)
        except CommitFailed as error:
            self._metrics.commits.labels("failed").inc()
            _log.warning("a commit failed and will be tried again", error=str(error), posts=len(prefix.jobs))
            return
        self._metrics.commits.labels("committed").inc()
        self._checkpoint.committed(prefix)
        for job in prefix.jobs:
            self._outcomes.count(job)

    def _press_back(self) -> None:
        paused = self._consumer.paused()
        if self._in_flight >= self._settings.max_in_flight:
            self._consumer.pause(*(self._consumer.assignment() - paused))
        elif paused and self._in_flight <= _RESUME_SHARE * self._settings.max_in_flight:
            self._consumer.resume(*paused)
        self._metrics.paused.set(bool(self._consumer.paused()))

    def _observe(self) -> None:
        self._last_look = self._health.turned
        assignment = self._consumer.assignment()
        self._health.member = self._consumer.group_metadata().state == MemberState.STABLE
        self._metrics.assigned_partitions.set(len(assignment))
        self._metrics.in_flight.set(self._in_flight)
        for partition in assignment:
            end, read = self._consumer.highwater(partition), self._read.get(partition)
            if end is not None and read is not None:
                self._metrics.lag.labels(str(partition.partition)).set(max(0, end - read))

    def _drain(self, partitions: Collection[TopicPartition]) -> None:
        """Finish and commit what is in flight for these partitions, as far as the budget of time goes."""
        deadline = monotonic() + self._settings.drain_timeout
        while self._checkpoint.unfinished(partitions) and (left := deadline - monotonic()) > 0:
            self._health.turned = monotonic()
            self._collect(timeout=min(left, 0.1))
        self._commit()

    def assigned(self, partitions: Collection[TopicPartition]) -> None:
        """Hold new partitions back while the others are paused.

        kafka-python 3.0.12 parks the half-read records of one paused partition only and forgets a second's:
        it would never be read again.
        """
        if self._consumer.paused():
            self._consumer.pause(*partitions)

    def revoked(self, partitions: Collection[TopicPartition]) -> None:
        """Finish and commit partitions that go to another worker, then forget them."""
        self._drain(partitions)
        self._forget(partitions)

    def lost(self, partitions: Collection[TopicPartition]) -> None:
        """Forget partitions that were taken from us: another worker may have them, so never commit."""
        self._forget(partitions)

    def _forget(self, partitions: Collection[TopicPartition]) -> None:
        self._checkpoint.drop(partitions)
        for partition in partitions:
            if self._read.pop(partition, None) is not None:
                self._metrics.lag.remove(str(partition.partition))


class _Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]
    """Tells the worker of changes in its assignment.

    kafka-python calls this on its own thread while the worker's thread waits in `poll` for the call to
    return, so the worker's state is still touched by one thread at a time.
    """

    def __init__(self, worker: Worker, metrics: Metrics) -> None:
        self._worker = worker
        self._metrics = metrics

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._note("assigned", assigned)
        self._worker.assigned(assigned)

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self._note("revoked", revoked)
        self._worker.revoked(revoked)

    def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:
        self._note("lost", lost)
        self._worker.lost(lost)

    def _note(self, kind: str, partitions: Collection[TopicPartition]) -> None:
        self._metrics.rebalances.labels(kind).inc()
        names = sorted(f"{partition.topic}-{partition.partition}" for partition in partitions)
        _log.info("the assignment changes", kind=kind, partitions=names)
