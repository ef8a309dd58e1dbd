"""Commits by Kafka transactions: the records and the offsets they stand for, at once or not at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, Protocol

import structlog
from kafka import KafkaProducer, TopicPartition
from kafka.errors import CommitFailedError, KafkaError, TransactionAbortedError
from kafka.producer.future import FutureRecordMetadata
from kafka.structs import ConsumerGroupMetadata
from tenacity import RetryCallState, retry, retry_if_exception, wait_random_exponential

from workers.acknowledged import NotAcknowledged
from workers.errors import SetupError
from workers.outgoing import Outgoing
from workers.tagger.publisher import PERMANENT, CommitFailed, connected, explain, positions, send
from workers.tagger.replaceable import Connect, ReplaceableProducer

_log = structlog.get_logger(__name__)

# What befalls the records of a transaction that was refused for another reason than theirs.
_ABORTED: Final = (CommitFailedError, TransactionAbortedError)


class Committed(Protocol):
    """Asks for a group's committed offsets."""

    def __call__(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The offset of each partition that has one, once no transaction on it is open (KIP-447).

        Raises:
            SetupError: no broker answers.
            kafka.errors.KafkaError: the group's coordinator does not tell.
        """


def _passes(error: BaseException) -> bool:
    return isinstance(error, KafkaError | SetupError) and not isinstance(error, PERMANENT)


def _tell(state: RetryCallState) -> None:
    error = state.outcome and state.outcome.exception()
    _log.warning("whether a commit counts is not known yet and is asked again", error=type(error).__name__)


class TransactionalPublisher:
    """Exactly once: records and offsets in one Kafka transaction, fenced by the group (KIP-447).

    After a failure that is more than a refusal the producer is replaced by one of the same transactional
    id, and the broker ends what the old one had begun (KIP-98): kafka-python 3.0.12 can't be trusted there.
    """

    def __init__(self, connect: Connect, committed: Committed) -> None:
        """Connect.

        Args:
            connect: makes a producer.
            committed: asks for the group's offsets.

        Raises:
            SetupError: no broker answers.
            kafka.errors.KafkaError: the transaction coordinator can't be had.
        """
        self._producer = ReplaceableProducer(connect)
        self._committed = committed
        self._producer.get()

    def commit(
        self,
        records: Sequence[tuple[Outgoing, int]],
        offsets: Mapping[TopicPartition, int],
        member: ConsumerGroupMetadata,
    ) -> None:
        """Commit in one transaction.

        1. begin
        2. send every record, and wait until each is written
        3. send the offsets with the group's generation, so that a member that was put out is refused
        4. commit
        5. on any error: abort, so that no reader with `read_committed` sees a part of it
        6. where neither end is confirmed: ask for the group's offsets, which tell whether it counts
        """
        if member.generation_id < 0:
            # Without a generation the broker takes the offsets of anybody, as it did before KIP-447.
            raise CommitFailed("the group has put this member out")
        producer = connected(self._producer)
        futures: list[FutureRecordMetadata] = []
        ending = False
        try:
            producer.begin_transaction()
            for record, partition in records:
                futures.append(send(producer, record, partition))
            self._producer.acknowledged.wait(futures)
            producer.send_offsets_to_transaction(positions(offsets), member)
            ending = True
            producer.commit_transaction()
            self._producer.went_well()
        except KafkaError as error:
            if not self._aborted(producer, futures, error) and ending and self._counts(offsets):
                return
            explain(error, records, futures)

    def hurry(self) -> None:
        """Nothing: a transaction needs no thread but its producer's."""

    def close(self, timeout: float) -> None:
        """Close the producer, waiting at most so many seconds for its thread."""
        self._producer.close(timeout)

    def _aborted(
        self, producer: KafkaProducer, futures: Sequence[FutureRecordMetadata], error: KafkaError
    ) -> bool:
        """End a failed transaction, at worst by another producer; whether its abort is confirmed."""
        try:
            producer.abort_transaction()
        except KafkaError:
            # Fenced or not: who may commit is for the group to say. The broker itself fences the producer of
            # a transaction that took too long.
            self._producer.failed()
            return False
        refused = any(future.failed() and not isinstance(future.exception, _ABORTED) for future in futures)
        if refused or isinstance(error, NotAcknowledged):
            self._producer.failed()
        else:
            # kafka-python 3.0.12 keeps the offsets of a refused transaction for the next one.
            producer._transaction_manager._pending_txn_offset_commits.clear()  # noqa: SLF001
        return True

    @retry(
        retry=retry_if_exception(_passes),
        wait=wait_random_exponential(multiplier=0.05, max=2),
        before_sleep=_tell,
    )
    def _counts(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """Whether a transaction counts whose end was asked for and never confirmed.

        The next producer's start ends it, if nothing else has (KIP-98); from then on its offsets don't
        change. Asks for as long as the brokers are away: the commit is under way until this is known.

        Raises:
            kafka.errors.KafkaError: asking again can't help.
        """
        self._producer.get()
        committed = self._committed(offsets)
        return all(committed.get(partition, 0) >= offset for partition, offset in offsets.items())
