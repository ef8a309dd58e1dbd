"""A member of a group that commits, and what it has committed, as any reader sees it."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from workers import kafka_clients
from workers.outgoing import Outgoing
from workers.settings import WorkerSettings
from workers.tagger.process import make_publisher


class Member:
    """One member of a group with its publisher, on a topic of the test's own."""

    def __init__(self, settings: WorkerSettings, stack: ExitStack) -> None:
        self.consumer = kafka_clients.group_consumer(settings)
        stack.callback(self.consumer.close)
        self.publisher: Any = make_publisher(settings, self.consumer)
        stack.callback(self.publisher.close, 5)
        self.consumer.subscribe([settings.kafka.input_topic])
        self.settings = settings

    def join(self) -> None:
        while not self.consumer.assignment():
            self.consumer.poll(timeout_ms=100)

    def commit(self, records: Any, offsets: Any) -> None:
        self.publisher.commit(records, offsets, self.consumer.group_metadata())

    def record(self, value: bytes) -> Outgoing:
        return Outgoing(self.settings.kafka.output_topic, b"key", value, [])

    @property
    def input(self) -> TopicPartition:
        return TopicPartition(self.settings.kafka.input_topic, 0)


def reader(settings: WorkerSettings, isolation: str) -> KafkaConsumer:
    return KafkaConsumer(
        bootstrap_servers=settings.kafka.bootstrap_servers,
        isolation_level=isolation,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )


def read(settings: WorkerSettings) -> list[tuple[int, bytes]]:
    partitions = [TopicPartition(settings.kafka.output_topic, number) for number in range(2)]
    # The broker answers a commit before its markers are written: what is written already is the end.
    with closing(reader(settings, "read_uncommitted")) as all_seeing:
        ends = all_seeing.end_offsets(partitions)
    with closing(reader(settings, "read_committed")) as consumer:
        consumer.assign(partitions)
        found: list[tuple[int, bytes]] = []
        while any(consumer.position(each) < ends[each] for each in partitions):
            for records in consumer.poll(timeout_ms=200).values():
                found += [(record.partition, record.value) for record in records]
        return found
