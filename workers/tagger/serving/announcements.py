"""What a running worker hears on `models.releases`."""

from __future__ import annotations

from threading import Event
from time import monotonic
from typing import Final

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from workers import kafka_clients
from workers.bounded_reads import held_records
from workers.errors import SetupError
from workers.releases.board import Board
from workers.settings import KafkaSettings

_log = structlog.get_logger(__name__)

_POLL_MS: Final = 200


class Announcements:
    """Follows the topic, and does without while it can't be read: whoever asks looks at the store then.

    Belongs to one thread.

    Attributes:
        board: what the topic has said so far; nothing before the first `wait`.
    """

    def __init__(self, settings: KafkaSettings, ending: Event, *, retry_seconds: float) -> None:
        """Connects to nothing yet.

        Args:
            settings: brokers and topic.
            ending: lets `wait` return soon.
            retry_seconds: when to try again to read the topic.
        """
        self._settings = settings
        self._retry_seconds = retry_seconds
        self._consumer: KafkaConsumer | None = None
        self._next_try = monotonic()
        self._ending = ending
        self.board = Board()

    def wait(self, seconds: float) -> bool:
        """Wait for news, at most so long; whether there is any."""
        until = monotonic() + seconds
        if self._consumer is None and monotonic() >= self._next_try:
            return self._connect()
        while not self._ending.is_set() and (left := until - monotonic()) > 0:
            if self._consumer is None:
                self._ending.wait(min(left, self._next_try - monotonic()))
                return False
            if self._heard(self._consumer, left):
                return True
        return False

    def close(self) -> None:
        """Close the client; from the thread that waits."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _heard(self, consumer: KafkaConsumer, seconds: float) -> bool:
        try:
            polled = consumer.poll(timeout_ms=min(_POLL_MS, 1 + int(seconds * 1_000)))
        except KafkaError as error:
            self._do_without(error)
            return False
        for record in (each for records in polled.values() for each in records):
            self.board.take(record.key, record.value)
        return bool(polled)

    def _connect(self) -> bool:
        try:
            consumer = kafka_clients.reading_consumer(self._settings, from_start=True)
        except SetupError as error:
            self._do_without(error)
            return False
        self._consumer = consumer
        try:
            self._read_what_it_holds(consumer)
        except (KafkaError, SetupError) as error:
            self._do_without(error)
            return False
        return True

    def _read_what_it_holds(self, consumer: KafkaConsumer) -> None:
        topic = self._settings.release_topic
        board, read = Board(), {}
        for record in held_records(consumer, topic):
            board.take(record.key, record.value)
            read[TopicPartition(topic, record.partition)] = record.offset + 1
        # Only now: half of what it holds may say the opposite of the whole.
        self.board = board
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(partitions)
        for partition, offset in read.items():
            consumer.seek(partition, offset)

    def _do_without(self, error: Exception) -> None:
        _log.warning(
            "announcements of releases can't be read; the store is looked at instead",
            topic=self._settings.release_topic,
            error=str(error) if isinstance(error, SetupError) else type(error).__name__,
        )
        self.close()
        self._next_try = monotonic() + self._retry_seconds
