from collections.abc import Iterator
from contextlib import closing
from time import monotonic
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.consumer.fetcher import ConsumerRecord

from workers import kafka_clients
from workers.settings import KafkaSettings
from workers.tagger.bounded_poll import BoundedPoll, record_bytes

SIZE = 200_000


@pytest.fixture
def poll(kafka: Any, topic: str) -> Iterator[BoundedPoll]:
    with closing(
        KafkaProducer(bootstrap_servers=kafka.bootstrap_servers, compression_type="lz4")
    ) as producer:
        for number in range(60):
            value = str(number).encode() + b" " * SIZE
            producer.send(topic, key=b"k", value=value, headers=[("h", b"12")])
        producer.flush()
    settings = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers)
    with closing(kafka_clients.reading_consumer(settings, from_start=True)) as consumer:
        consumer.subscribe([topic])
        yield BoundedPoll(consumer)


def numbers(records: list[ConsumerRecord]) -> list[int]:
    return [int(record.value) for record in records]


def test_a_poll_ends_at_its_bytes_and_the_next_goes_on_there(poll: BoundedPoll) -> None:
    seen: list[int] = []
    deadline = monotonic() + 60
    while len(seen) < 60:
        assert monotonic() < deadline
        records = poll(timeout_ms=100, max_records=500, max_bytes=5 * SIZE)
        # Four are unpacked at a time.
        assert sum(map(record_bytes, records)) <= 8 * (SIZE + 10)
        seen += numbers(records)
    assert seen == list(range(60))


def test_a_poll_ends_at_its_records(poll: BoundedPoll) -> None:
    seen: list[int] = []
    deadline = monotonic() + 60
    while len(seen) < 60:
        assert monotonic() < deadline
        records = poll(timeout_ms=100, max_records=6, max_bytes=10**9)
        assert len(records) <= 6
        seen += numbers(records)
    assert seen == list(range(60))


def test_a_record_s_bytes_are_its_key_value_and_headers(poll: BoundedPoll) -> None:
    records: list[ConsumerRecord] = []
    deadline = monotonic() + 60
    while not records:
        assert monotonic() < deadline
        records = poll(timeout_ms=100, max_records=1, max_bytes=1)
    assert record_bytes(records[0]) == 1 + 1 + SIZE + 3
