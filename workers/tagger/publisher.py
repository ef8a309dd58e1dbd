"""Commits: the records and the offsets they stand for, in one step that happens or doesn't."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from threading import Event
from typing import Final, NoReturn, Protocol

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.errors import (
    AuthorizationError,
    FencedInstanceIdError,
    KafkaError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
    RetriableError,
    UnsupportedForMessageFormatError,
    UnsupportedVersionError,
)
from kafka.producer.future import FutureRecordMetadata
from kafka.structs import ConsumerGroupMetadata
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_random_exponential

from workers.errors import SetupError
from workers.outgoing import Outgoing
from workers.tagger.replaceable import Connect, ReplaceableProducer

_TOO_LARGE: Final = (MessageSizeTooLargeError, RecordListTooLargeError)
# What waiting doesn't mend: rights, and brokers or topics that don't know what we need.
PERMANENT: Final = (
    AuthorizationError,
    PolicyViolationError,
    UnsupportedForMessageFormatError,
    UnsupportedVersionError,
)
OTHER_STARTED: Final = "another worker with the same group instance id has started"
_LOOK_SECONDS: Final = 0.02


class CommitFailed(Exception):
    """Nothing of this commit counts; the same jobs may be committed again."""


class RecordTooLarge(CommitFailed):
    """Nothing counts, and the same again would fail: the broker does not take this record."""

    def __init__(self, record: Outgoing) -> None:
        super().__init__(f"{record.topic} takes no record of {record.size} bytes")
        self.record: Final = record


class PublisherLost(Exception):
    """This member can never commit again: another one with its name has taken over (KIP-345)."""


class Publisher(Protocol):
    """A way to commit, by the delivery that the settings ask for."""

    def commit(
        self,
        records: Sequence[tuple[Outgoing, int]],
        offsets: Mapping[TopicPartition, int],
        member: ConsumerGroupMetadata,
    ) -> None:
        """Produce each record, given with its input partition, and commit the offsets.

        Raises:
            CommitFailed: nothing counts; try again.
            RecordTooLarge: nothing counts; try again with something smaller in this record's place.
            PublisherLost: this process must end.
            kafka.errors.KafkaError: this process must end; trying again can't help.
        """

    def hurry(self) -> None:
        """Don't wait for offsets: a rebalance is on, whose thread would have to send them."""

    def close(self, timeout: float) -> None:
        """Close what commits, waiting at most so many seconds."""


class PlainPublisher:
    """At least once: all records acknowledged first, the offsets committed after."""

    def __init__(self, connect: Connect, consumer: KafkaConsumer) -> None:
        """Connect an idempotent producer, and take the group's consumer.

        Raises:
            SetupError: no broker answers.
        """
        self._producer = ReplaceableProducer(connect)
        self._producer.get()
        self._consumer = consumer
        self._hurried = Event()

    def commit(
        self,
        records: Sequence[tuple[Outgoing, int]],
        offsets: Mapping[TopicPartition, int],
        member: ConsumerGroupMetadata,
    ) -> None:
        """Wait until every record is acknowledged by the in-sync replicas, then commit the offsets.

        In a rebalance kafka-python's own thread is held and can't be waited for: the offsets are then sent
        ahead of the member's next request, and if they are refused some posts come twice.
        """
        del member  # The consumer sends its own; a stale one costs a repetition at most.
        producer = connected(self._producer)
        futures: list[FutureRecordMetadata] = []
        try:
            self._produce(producer, records, futures)
            self._commit_offsets(offsets)
        except FencedInstanceIdError as error:
            raise PublisherLost(OTHER_STARTED) from error
        except KafkaError as error:
            explain(error, records, futures)
        finally:
            self._hurried.clear()

    def hurry(self) -> None:
        """Let the commit under way end once its offsets are on their way."""
        self._hurried.set()

    def close(self, timeout: float) -> None:
        """Close the producer, waiting at most so many seconds for its thread."""
        self._producer.close(timeout)

    def _produce(
        self,
        producer: KafkaProducer,
        records: Sequence[tuple[Outgoing, int]],
        futures: list[FutureRecordMetadata],
    ) -> None:
        try:
            for record, partition in records:
                futures.append(send(producer, record, partition))
            for future in futures:
                # What befell the others is wanted too, before the first error is raised.
                with suppress(KafkaError):
                    future.get()
            for future in futures:
                future.get()
        except KafkaError:
            self._producer.failed()
            raise
        self._producer.went_well()

    @retry(
        retry=retry_if_exception_type(RetriableError),
        wait=wait_random_exponential(multiplier=0.05, max=2),
        stop=stop_after_delay(30),
        reraise=True,
    )
    def _commit_offsets(self, offsets: Mapping[TopicPartition, int]) -> None:
        answered = Event()
        sent = self._consumer.commit_async(positions(offsets))
        sent.add_both(lambda _: answered.set())
        while not answered.wait(_LOOK_SECONDS):
            if self._hurried.is_set():
                return
        if sent.failed():
            raise sent.exception


def explain(
    error: KafkaError, records: Sequence[tuple[Outgoing, int]], futures: Sequence[FutureRecordMetadata]
) -> NoReturn:
    """Raise what a failed commit means; what befell its records says more than the error that ended it."""
    causes = [(None if not future.failed() else future.exception) for future in futures]
    if len(futures) < len(records):
        causes.append(error)
    for (record, _), cause in zip(records, causes, strict=False):
        if isinstance(cause, _TOO_LARGE):
            raise RecordTooLarge(record) from cause
    for cause in (error, *causes):
        if isinstance(cause, FencedInstanceIdError):
            raise PublisherLost(OTHER_STARTED) from error
        if isinstance(cause, PERMANENT):
            raise cause
    raise CommitFailed(type(error).__name__) from error


def connected(producer: ReplaceableProducer) -> KafkaProducer:
    """The producer in use.

    Raises:
        CommitFailed: none is to be had.
    """
    try:
        return producer.get()
    except (KafkaError, SetupError) as error:
        raise CommitFailed("no producer is to be had") from error


def send(producer: KafkaProducer, record: Outgoing, partition: int) -> FutureRecordMetadata:
    """Send a record to the partition of the input's number: the order in it holds whatever the keys are."""
    partitions = producer.partitions_for(record.topic)
    return producer.send(
        record.topic,
        value=record.value,
        key=record.key,
        headers=record.headers,
        partition=partition % len(partitions),
    )


def positions(offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, OffsetAndMetadata]:
    """Offsets as kafka-python commits them."""
    return {partition: OffsetAndMetadata(offset, "", -1) for partition, offset in offsets.items()}
