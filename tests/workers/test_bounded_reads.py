from collections.abc import Iterator
from contextlib import closing
from time import sleep

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from workers import kafka_clients
from workers.bounded_reads import held_record, held_records
from workers.errors import SetupError
from workers.local.kafka import KafkaCluster
from workers.settings import KafkaSettings


@pytest.fixture
def reader(kafka: KafkaCluster) -> Iterator[KafkaConsumer]:
    settings = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers)
    with closing(kafka_clients.reading_consumer(settings, from_start=True)) as consumer:
        yield consumer


@pytest.fixture
def producer(kafka: KafkaCluster, topic: str) -> Iterator[KafkaProducer]:
    settings = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, dead_letter_topic=topic)
    with closing(kafka_clients.replaying_producer(settings)) as transactional:
        transactional.init_transactions()
        yield transactional


def send(producer: KafkaProducer, topic: str, *values: bytes) -> None:
    producer.begin_transaction()
    for value in values:
        producer.send(topic, value)
    producer.flush()


def wait_for_end(reader: KafkaConsumer, topic: str, end: int) -> None:
    """Wait for the markers: the broker answers a commit before they are written."""
    place = TopicPartition(topic, 0)
    while reader.end_offsets([place])[place] < end:
        sleep(0.05)


def test_a_read_ends_where_the_topic_ended_and_shows_no_open_transaction(
    reader: KafkaConsumer, producer: KafkaProducer, topic: str
) -> None:
    assert list(held_records(reader, topic)) == []
    send(producer, topic, b"a", b"b")
    producer.commit_transaction()
    send(producer, topic, b"aborted")
    producer.abort_transaction()
    wait_for_end(reader, topic, 5)
    assert [record.value for record in held_records(reader, topic)] == [b"a", b"b"]

    reading = held_records(reader, topic)
    assert next(reading).value == b"a"
    send(producer, topic, b"later")
    assert [record.value for record in reading] == [b"b"]
    assert [record.value for record in held_records(reader, topic)] == [b"a", b"b"]
    producer.commit_transaction()
    wait_for_end(reader, topic, 7)
    assert [record.value for record in held_records(reader, topic)] == [b"a", b"b", b"later"]


def test_one_record_is_there_or_not(reader: KafkaConsumer, producer: KafkaProducer, topic: str) -> None:
    send(producer, topic, b"a")
    producer.commit_transaction()
    send(producer, topic, b"b")
    producer.commit_transaction()
    wait_for_end(reader, topic, 4)
    place = TopicPartition(topic, 0)
    # Offset 1 is the end of the first transaction, 3 that of the second.
    found = [held_record(reader, place, offset) for offset in range(5)]
    assert [record and record.value for record in found] == [b"a", None, b"b", None, None]
    assert held_record(reader, TopicPartition(topic, 1), 0) is None
    assert held_record(reader, TopicPartition("nowhere", 0), 0) is None


def test_a_topic_that_cannot_be_seen_is_not_an_empty_one(reader: KafkaConsumer) -> None:
    with pytest.raises(SetupError, match="does not show the topic nowhere"):
        list(held_records(reader, "nowhere"))
