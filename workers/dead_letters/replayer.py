"""Sends letters back: the records and their marks in transactions, by one replay at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from kafka import KafkaProducer
from kafka.errors import InvalidProducerEpochError, KafkaError, ProducerFencedError

from workers import kafka_clients
from workers.acknowledged import Acknowledgements
from workers.dead_letters.marks import Marks
from workers.dead_letters.plan import Sending
from workers.errors import SetupError

# Well below what any network carries within the transaction's timeout.
_TRANSACTION_BYTES: Final = 4 * 1024 * 1024


class Replayer:
    """The one replay of a dead letters' topic that may send at this moment."""

    def __init__(self, producer: KafkaProducer, mark_topic: str) -> None:
        """Take over from any other replay; read the marks after this, not before.

        From here on a replay that began earlier can commit nothing more, and what it had committed can be
        read (KIP-98: the coordinator first ends its open transaction, then answers).

        Args:
            producer: of the topic's transactional id.
            mark_topic: topic of the marks.

        Raises:
            kafka.errors.KafkaError: the transaction coordinator can't be had.
        """
        self._producer = producer
        self._mark_topic = mark_topic
        self._acknowledged = Acknowledgements()
        producer.init_transactions()

    def send(self, sendings: Sequence[Sending], marks: Marks) -> Iterator[list[Sending]]:
        """Send letters, some in each transaction, and yield what has been committed.

        Raises:
            SetupError: another replay has begun, or Kafka refuses; what was yielded is sent and marked.
        """
        done = 0
        for part in _parts(sendings):
            try:
                with kafka_clients.told_by_us():
                    self._commit(part, marks)
            except KafkaError as error:
                if self._fenced:
                    raise SetupError(
                        "another replay of these dead letters has begun, so this one stopped after "
                        f"{done} of {len(sendings)} letters; no letter is sent by both"
                    ) from error
                raise SetupError(
                    f"Kafka broke off the replay ({type(error).__name__}) after {done} of {len(sendings)} "
                    "letters; check the brokers and your rights, then run the same command again: no letter "
                    "is sent twice"
                ) from error
            done += len(part)
            yield part

    @property
    def _fenced(self) -> bool:
        # What commit_transaction raises then is a plain KafkaError, whatever was the cause.
        error = self._producer._transaction_manager.last_error  # noqa: SLF001 - no public way leads there
        return isinstance(error, ProducerFencedError | InvalidProducerEpochError)

    def _commit(self, part: Sequence[Sending], marks: Marks) -> None:
        self._producer.begin_transaction()
        futures = []
        try:
            for sending in part:
                record = sending.record
                sent = self._producer.send(
                    record.topic,
                    value=record.value,
                    key=record.key,
                    headers=record.headers,
                    partition=sending.partition,
                )
                mark = self._producer.send(
                    self._mark_topic,
                    value=sending.replay.model_dump_json().encode(),
                    key=marks.key(sending.letter.place, record.topic),
                )
                futures += [sent, mark]
            self._acknowledged.wait(futures)
            self._producer.commit_transaction()
        except BaseException:
            # Readers of the source topic would wait for an open transaction until it times out.
            with suppress(KafkaError):
                self._producer.abort_transaction()
            raise


def _parts(sendings: Sequence[Sending]) -> Iterator[list[Sending]]:
    part: list[Sending] = []
    size = 0
    for sending in sendings:
        if part and size + sending.record.size > _TRANSACTION_BYTES:
            yield part
            part, size = [], 0
        part.append(sending)
        size += sending.record.size
    if part:
        yield part
