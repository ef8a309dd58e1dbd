"""Dead letters in topics of a test's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest
from kafka import KafkaConsumer, KafkaProducer

from schemas import DeadLetter, DeadLetterReason, Header, Stage
from workers import kafka_clients
from workers.bounded_reads import held_records
from workers.dead_letters.letter import Place
from workers.dead_letters.selection import Selection
from workers.dead_letters.send_back import replay_and_print
from workers.local.kafka import KafkaCluster
from workers.settings import KafkaSettings
from workers.topics import create_topics

PARTITIONS = 2


class Office:
    """the six topics, what is written to them, and the command that sends back."""

    def __init__(self, settings: KafkaSettings, producer: KafkaProducer) -> None:
        self.settings = settings
        self.producer = producer

    def write(
        self,
        value: bytes = b"{",
        *,
        key: bytes | None = b"key",
        headers: Sequence[Header] = (),
        partition: int = 0,
        timestamp_ms: int | None = None,
        **said: Any,
    ) -> Place:
        """Write a dead letter; `said` is what it says beside what most say."""
        letter = DeadLetter.model_validate(
            {
                "reason": DeadLetterReason.NOT_JSON,
                "stage": Stage.INTAKE,
                "message": "No JSON.",
                "topic": self.settings.input_topic,
                "partition": partition,
                "offset": 7,
                **said,
            }
        )
        return self.write_record(
            self.settings.dead_letter_topic,
            value,
            key=key,
            headers=[*headers, *letter.to_headers()],
            partition=partition,
            timestamp_ms=timestamp_ms,
        )

    def write_record(self, topic: str, value: bytes, **fields: Any) -> Place:
        """Write any record."""
        written = self.producer.send(topic, value, **fields).get(timeout=30)
        return Place(written.partition, written.offset)

    def held(self, topic: str) -> list[Any]:
        """The committed records of a topic, each partition's in order."""
        with closing(consumer(self.settings)) as reader:
            return sorted(held_records(reader, topic), key=lambda each: (each.partition, each.offset))

    @property
    def sent_back(self) -> list[Any]:
        """What stands in the source topic."""
        return self.held(self.settings.input_topic)

    def replay(
        self,
        *places: Place,
        selection: Selection = Selection(),  # noqa: B008 - frozen
        to: str | None = None,
        limit: int = 100,
        max_times: int = 3,
        execute: bool = True,
    ) -> None:
        """What `rpbert dlq replay` does, executed by default."""
        replay_and_print(
            self.settings, selection, places, to=to, limit=limit, max_times=max_times, execute=execute
        )


def consumer(settings: KafkaSettings) -> KafkaConsumer:
    return kafka_clients.reading_consumer(settings, from_start=True)


@pytest.fixture
def office(kafka: KafkaCluster) -> Iterator[Office]:
    name = uuid4().hex[:8]
    settings = KafkaSettings(
        bootstrap_servers=kafka.bootstrap_servers,
        input_topic=f"raw.{name}",
        output_topic=f"entities.{name}",
        dead_letter_topic=f"dlq.{name}",
    )
    with closing(kafka_clients.admin(settings)) as admin:
        create_topics(admin, settings, partitions=PARTITIONS, replication_factor=1)
    with closing(kafka_clients.plain_producer(settings)) as producer:
        yield Office(settings, producer)
