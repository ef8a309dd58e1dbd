"""Commits: the records and the offsets they stand for, in one step that happens or doesn't."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import current_thread
from typing import Protocol

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.errors import FencedInstanceIdError, KafkaError
from kafka.producer.future import FutureRecordMetadata

from workers.outgoing import Outgoing


class CommitFailed(Exception):
    """Nothing of this commit counts; the same jobs may be committed again."""


class PublisherLost(Exception):
    """This producer can never commit again: another one with its name has taken over (KIP-98)."""


class Publisher(Protocol):
    """A way to commit, by the delivery that the settings ask for."""

    def commit(self, records: Sequence[tuple[Outgoing, int]], offsets: Mapping[TopicPartition, int]) -> None:
        """Produce each record, given with its input partition, and commit the offsets.

        Raises:
            CommitFailed: nothing counts; try again.
            PublisherLost: this process must end.
        """


class TransactionalPublisher:
    """Exactly once: records and offsets in one Kafka transaction, fenced by the group (KIP-447)."""

    def __init__(self, producer: KafkaProducer, consumer: KafkaConsumer) -> None:
        """Take a transactional producer and the group's consumer; both belong to the calling thread.

        Raises:
            kafka.errors.KafkaError: the transaction coordinator can't be had.
        """
        self._producer = producer
        self._consumer = consumer
        producer.init_transactions()

    def commit(self, records: Sequence[tuple[Outgoing, int]], offsets: Mapping[TopicPartition, int]) -> None:
        """Commit in one transaction.

        1. begin
        2. send every record
        3. send the offsets with the group's generation, so that a member that was put out is refused
        4. commit; the broker answers once all records are written
        5. on any error: abort, so that no reader with `read_committed` sees a part of it
        """
        try:
            self._producer.begin_transaction()
            for record, partition in records:
                _send(self._producer, record, partition)
            self._producer.send_offsets_to_transaction(_positions(offsets), self._consumer.group_metadata())
            self._producer.commit_transaction()
        except KafkaError as error:
            self._abort(error)

    def _abort(self, cause: KafkaError) -> None:
        try:
            self._producer.abort_transaction()
        except KafkaError as error:
            raise PublisherLost(
                "the producer can't go on; another worker with the same transactional id may have started"
            ) from error
        # kafka-python 3.0.12 keeps the offsets of a refused transaction and would send them with the next.
        self._producer._transaction_manager._pending_txn_offset_commits.clear()  # noqa: SLF001
        raise CommitFailed(type(cause).__name__) from cause


class PlainPublisher:
    """At least once: all records acknowledged first, the offsets committed after."""

    def __init__(self, producer: KafkaProducer, consumer: KafkaConsumer) -> None:
        """Take an idempotent producer and the group's consumer; both belong to the calling thread."""
        self._producer = producer
        self._consumer = consumer
        self._owner = current_thread()

    def commit(self, records: Sequence[tuple[Outgoing, int]], offsets: Mapping[TopicPartition, int]) -> None:
        """Wait until every record is acknowledged by the in-sync replicas, then commit the offsets.

        In a rebalance the call comes on kafka-python's own thread, which can't wait for itself: the offsets
        are then sent ahead of the member's next request, and if they are refused some posts come twice.
        """
        try:
            futures = [_send(self._producer, record, partition) for record, partition in records]
            for future in futures:
                future.get()
            if current_thread() is self._owner:
                self._consumer.commit(_positions(offsets))
            else:
                self._consumer.commit_async(_positions(offsets))
        except FencedInstanceIdError as error:
            raise PublisherLost("another worker with the same group instance id has started") from error
        except KafkaError as error:
            raise CommitFailed(type(error).__name__) from error


def _send(producer: KafkaProducer, record: Outgoing, partition: int) -> FutureRecordMetadata:
    # The input's partition number, so that the order within it holds whatever the keys are.
    partitions = producer.partitions_for(record.topic)
    return producer.send(
        record.topic,
        value=record.value,
        key=record.key,
        headers=record.headers,
        partition=partition % len(partitions),
    )


def _positions(offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, OffsetAndMetadata]:
    return {partition: OffsetAndMetadata(offset, "", -1) for partition, offset in offsets.items()}
