"""One tagger process: wires the stages and turns the loop that owns Kafka."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from queue import Empty, SimpleQueue
from threading import Event
from time import monotonic
from typing import Final

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import RetriableError

from model.heap import trim_heap
from workers.backoff import jittered
from workers.kafka_clients import in_touch
from workers.metrics import Metrics
from workers.settings import WorkerSettings
from workers.tagger.bounded_poll import BoundedPoll
from workers.tagger.checkpoint import Checkpoint
from workers.tagger.commit_pace import CommitPace
from workers.tagger.committer import Committer
from workers.tagger.engine import Engine
from workers.tagger.health import Health
from workers.tagger.job import Job
from workers.tagger.outcome import Outcomes
from workers.tagger.passage import Passage, written
from workers.tagger.publisher import CommitFailed, Publisher, RecordTooLarge
from workers.tagger.rebalances import Rebalances
from workers.tagger.serving.serving import Serving

_log = structlog.get_logger(__name__)

_POLL_MS: Final = 20
_POLL_AGAIN_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.25
_TRIM_SECONDS: Final = 10.0
_LEAVE_SECONDS: Final = 5.0
# What a commit may take of the time in which partitions must be given up.
_COMMIT_SHARE: Final = 0.25
# Partitions that were paused at the limit start again once this share of it is free.
_RESUME_SHARE: Final = 0.75


class Worker:
    """Reads posts, sees them through the stages and commits their results.

    One thread, the caller of `run`, owns the Kafka clients: it polls, hands on, collects what is finished
    and has it committed. Polling goes on while partitions are paused and while a commit is under way, so
    that the membership never lapses.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        serving: Serving,
        consumer: KafkaConsumer,
        publisher: Publisher,
        outcomes: Outcomes,
        metrics: Metrics,
        health: Health,
    ) -> None:
        """Wire the stages; nothing starts before `run`."""
        self._settings = settings
        self._serving = serving
        self._consumer = consumer
        self._poll = BoundedPoll(consumer)
        self._committer = Committer(publisher, metrics)
        self._outcomes = outcomes
        self._metrics = metrics
        self._health = health
        self._checkpoint = Checkpoint()
        self._unopened: deque[ConsumerRecord] = deque()
        self._finished: SimpleQueue[Job] = SimpleQueue()
        self._read: dict[TopicPartition, int] = {}
        self._under_way = 0
        self._pace = CommitPace(interval=settings.commit_interval_ms / 1_000, most=settings.max_in_flight)
        self._failed_polls = 0
        self._last_look = 0.0
        self._last_trim = monotonic()
        self._stopping = Event()
        self._left = False
        self._engine = Engine(
            settings.batch,
            finished=self._finished.put,
            tagged=serving.tagged,
            failed=self._taken_over,
            metrics=metrics,
        )
        self._passage = Passage(
            serving=serving, engine=self._engine, finished=self._finished.put, metrics=metrics
        )

    @property
    def stopping(self) -> bool:
        """Whether `stop` was asked for."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """Ask `run` to finish what is in flight, commit and return; from any thread or a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Work until `stop`, then leave the group.

        Raises:
            workers.tagger.publisher.PublisherLost: another worker has taken this one's place.
            workers.tagger.publisher.RecordTooLarge: not even the smallest dead letter is taken.
            workers.tagger.engine.EngineSick: the model fails whatever the post.
            workers.kafka_cures.MemberReplaced: another worker has this one's group instance id.
            kafka.errors.KafkaError: Kafka refuses something, or a listener has raised one of these.
        """
        self._serving.start()
        self._engine.start()
        self._consumer.subscribe([self._settings.kafka.input_topic], listener=Rebalances(self, self._metrics))
        self._health.started = True
        try:
            while not self._stopping.is_set():
                self._turn()
            # What does not finish in time is read again by the partition's next owner.
            assigned = self._consumer.assignment()
            self._leave_unopened(assigned)
            self._drain(assigned)
        finally:
            # From here on nothing is drained or waited for, also not when the consumer's close revokes.
            self._left = True
            self._checkpoint = Checkpoint()
            # Before all that takes its time: the other members wait for it.
            try:
                self._consumer.close(timeout_ms=_LEAVE_SECONDS * 1_000)
            finally:
                self._engine.close()
                self._serving.close()

    def _turn(self) -> None:
        self._health.turned = monotonic()
        # A rebalance within the poll changes what is unopened: what the poll brings comes on top of that.
        polled = self._polled()
        self._unopened.extend(polled)
        self._engine.expect(len(polled))
        # A long text takes a hundred times its record's bytes once it is prepared.
        while self._unopened and self._room_bytes() > 0:
            self._take_in_next()
        self._collect()
        self._engine.check()
        self._settle()
        if self._commit_is_due():
            self._commit()
        if self._health.turned - self._last_look >= _LOOK_SECONDS:
            self._observe()
        if self._health.turned - self._last_trim >= _TRIM_SECONDS:
            self._last_trim = self._health.turned
            trim_heap()
        self._press_back()

    def _polled(self) -> list[ConsumerRecord]:
        """What a poll brings; nothing where it fails for a reason that passes, and nothing is lost by that.

        kafka-python 3.0.12 sees to a broker that goes away by itself, but now and then, in the middle of a
        rebalance, its poll raises. It hands records out at its end alone.
        """
        try:
            polled = self._poll(timeout_ms=_POLL_MS, max_records=self._room(), max_bytes=self._room_bytes())
        except RetriableError as error:
            self._failed_polls += 1
            _log.warning("Kafka could not be polled and is asked again", error=type(error).__name__)
            self._stopping.wait(jittered(self._failed_polls, first=0.1, most=_POLL_AGAIN_SECONDS))
            return []
        self._failed_polls = 0
        return polled

    def _room(self) -> int:
        return max(1, self._settings.max_in_flight - self._in_flight)

    def _room_bytes(self) -> int:
        return self._settings.max_in_flight_bytes - self._checkpoint.weight

    @property
    def _in_flight(self) -> int:
        # A job of a partition that was taken from us is out of the checkpoint, yet still in the stages.
        return max(len(self._checkpoint), self._under_way) + len(self._unopened)

    @property
    def _full(self) -> bool:
        return self._in_flight >= self._settings.max_in_flight or self._room_bytes() <= 0

    def _take_in_next(self) -> None:
        job = self._passage.open(self._unopened.popleft())
        self._read[job.partition] = job.source.offset + 1
        self._checkpoint.begin(job)
        if job.failure is None:
            self._under_way += 1
            self._passage.send_on(job)

    def _taken_over(self, job: Job) -> bool:
        return self._passage.taken_over(job)

    def _collect(self, timeout: float = 0.0) -> None:
        """Count in what the engine has finished, waiting at most `timeout` seconds for the first."""
        try:
            while True:
                job = self._finished.get(block=timeout > 0, timeout=timeout)
                self._serving.give_back(job.served)
                self._under_way -= 1
                timeout = 0.0
        except Empty:
            return

    def _commit_is_due(self) -> bool:
        if self._committer.busy:
            return False
        alone = not self._under_way and not self._unopened
        return self._pace.due(full=self._full, alone=alone)

    def _commit(self) -> None:
        """Begin to publish and commit every finished prefix; one that fails is tried again with the next."""
        prefix = self._checkpoint.ready(self._pace.at_once)
        if not prefix.jobs:
            return
        self._pace.began(len(prefix.jobs))
        records = [(self._outcomes.record(job), job.source.partition) for job in prefix.jobs]
        self._committer.begin(prefix, records, self._consumer.group_metadata())

    def _settle(self, timeout: float = 0.0) -> None:
        """Count in what was committed, waiting at most `timeout` seconds for the commit under way."""
        try:
            prefix = self._committer.settle(timeout)
        except CommitFailed as error:
            self._metrics.commits.labels("failed").inc()
            if isinstance(error, RecordTooLarge) and not self._outcomes.take_less(error.record):
                raise
            self._pace.failed()
            _log.warning("a commit failed and will be tried again", error=str(error))
            return
        if prefix is None:
            return
        self._pace.went_well()
        self._metrics.commits.labels("committed").inc()
        self._checkpoint.committed(prefix)
        for job in prefix.jobs:
            self._outcomes.count(job)

    def _press_back(self) -> None:
        paused = self._consumer.paused()
        if self._full:
            self._consumer.pause(*(self._consumer.assignment() - paused))
        elif (
            paused
            and self._in_flight <= _RESUME_SHARE * self._settings.max_in_flight
            and self._checkpoint.weight <= _RESUME_SHARE * self._settings.max_in_flight_bytes
        ):
            self._consumer.resume(*paused)
        self._metrics.paused.set(bool(self._consumer.paused()))

    def _observe(self) -> None:
        self._last_look = self._health.turned
        assignment = self._consumer.assignment()
        self._health.member = in_touch(self._consumer)
        self._metrics.assigned_partitions.set(len(assignment))
        self._metrics.in_flight.set(self._in_flight)
        self._metrics.queued.labels("intake").set(len(self._unopened))
        self._metrics.queued.labels("pictures").set(max(0, self._engine.expected - len(self._unopened)))
        self._metrics.queued.labels("engine").set(self._engine.waiting)
        self._metrics.queued.labels("commit").set(self._checkpoint.finished)
        held = [self._checkpoint.oldest, *map(written, self._unopened)]
        self._metrics.oldest_post.set(min((at for at in held if at is not None), default=0.0))
        for partition in assignment:
            end, read = self._consumer.highwater(partition), self._read.get(partition)
            if end is not None and read is not None:
                self._metrics.lag.labels(str(partition.partition)).set(max(0, end - read))

    def _drain(self, partitions: Collection[TopicPartition], *, in_rebalance: bool = False) -> None:
        """Finish and commit what is in flight for these partitions, as far as the budget of time goes."""
        budget = self._settings.drain_timeout
        deadline = monotonic() + budget
        finish_by = deadline - _COMMIT_SHARE * budget
        self._engine.hurry(partitions)
        while self._checkpoint.unfinished(partitions) and (left := finish_by - monotonic()) > 0:
            self._health.turned = monotonic()
            self._collect(timeout=min(left, 0.1))
        self._engine.hurry(())
        self._await_commit(deadline, in_rebalance=in_rebalance)
        if not self._committer.busy:
            self._commit()
            self._await_commit(deadline, in_rebalance=in_rebalance)
        if self._committer.busy:
            # Whether it counts is the broker's to say; until then nobody reads on from these partitions.
            _log.warning("Kafka has not answered a commit in time", seconds=budget)

    def _await_commit(self, deadline: float, *, in_rebalance: bool) -> None:
        while self._committer.busy and (left := deadline - monotonic()) > 0:
            self._health.turned = monotonic()
            if in_rebalance:
                self._committer.hurry()
            self._settle(timeout=min(left, 0.1))

    def assigned(self, partitions: Collection[TopicPartition]) -> None:
        """Hold new partitions back while the others are paused.

        kafka-python 3.0.12 parks the half-read records of one paused partition only and forgets a second's:
        it would never be read again.
        """
        self._pace.begin_anew()
        if self._consumer.paused():
            self._consumer.pause(*partitions)

    def revoked(self, partitions: Collection[TopicPartition]) -> None:
        """Finish and commit partitions that go to another worker, then forget them."""
        if not self._left:
            self._leave_unopened(partitions)
            self._drain(partitions, in_rebalance=True)
        self._forget(partitions)

    def lost(self, partitions: Collection[TopicPartition]) -> None:
        """Forget partitions that were taken from us: another worker may have them, so never commit."""
        self._forget(partitions)

    def _forget(self, partitions: Collection[TopicPartition]) -> None:
        self._leave_unopened(partitions)
        self._checkpoint.drop(partitions)
        for partition in partitions:
            if self._read.pop(partition, None) is not None:
                self._metrics.lag.remove(str(partition.partition))

    def _leave_unopened(self, partitions: Collection[TopicPartition]) -> None:
        left = deque(
            record
            for record in self._unopened
            if TopicPartition(record.topic, record.partition) not in partitions
        )
        self._engine.excuse(len(self._unopened) - len(left))
        self._unopened = left
