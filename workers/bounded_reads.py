"""Reads that end: what a topic holds now, and one record of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from time import monotonic
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from workers import kafka_clients
from workers.errors import SetupError
from workers.settings import KafkaSettings

_POLL_MS: Final = 500
_PATIENCE_SECONDS: Final = 60.0


@contextmanager
def reader_of(settings: KafkaSettings, topic: str) -> Iterator[KafkaConsumer]:
    """A consumer to read a topic as a whole; of no group, it sees only committed records.

    Raises:
        SetupError: no broker answers, or Kafka refuses something while it is open.
    """
    try:
        with closing(kafka_clients.reading_consumer(settings, from_start=True)) as consumer:
            yield consumer
    except KafkaError as error:
        raise SetupError(
            f"Kafka does not show what {topic} holds ({type(error).__name__}); check the brokers, and your "
            "right to read it"
        ) from error


def held_until(consumer: KafkaConsumer, topic: str) -> dict[int, int]:
    """Where each partition of a topic ends now: the offset behind its last committed record.

    Raises:
        SetupError: the topic can't be seen.
    """
    ends: dict[TopicPartition, int] = consumer.end_offsets(_partitions(consumer, topic))
    return {each.partition: end for each, end in ends.items()}


def held_records(
    consumer: KafkaConsumer,
    topic: str,
    *,
    since_ms: int | None = None,
    until: Mapping[int, int] | None = None,
) -> Iterator[Any]:
    """The records that a topic holds at the call, and none that come later.

    Args:
        consumer: of no group; it is assigned the topic.
        topic: the topic.
        since_ms: leave out what stands before the first record of this time, in ms since 1970.
        until: leave out what stands at or behind the offset of its partition; of a partition that is not
            named, everything.

    Raises:
        SetupError: the topic can't be seen, or a partition gives nothing for a minute.
    """
    partitions = _partitions(consumer, topic)
    starts = consumer.beginning_offsets(partitions)
    ends = consumer.end_offsets(partitions)
    if until is not None:
        ends = {each: min(end, until.get(each.partition, 0)) for each, end in ends.items()}
    if since_ms is not None:
        found = consumer.offsets_for_times(dict.fromkeys(partitions, since_ms))
        starts = {each: found[each].offset if found[each] else ends[each] for each in partitions}
    unread = [each for each in partitions if starts[each] < ends[each]]
    consumer.assign(unread)
    for each in unread:
        consumer.seek(each, starts[each])
    while unread:
        for partition, records in _poll(consumer, topic).items():
            yield from (record for record in records if record.offset < ends[partition])
        # The end of a transaction has an offset too, but is no record.
        unread = [each for each in unread if consumer.position(each) < ends[each]]
        consumer.assign(unread)


def held_record(consumer: KafkaConsumer, partition: TopicPartition, offset: int) -> Any | None:
    """The record at an offset, None if the topic does not hold it (any more).

    Raises:
        SetupError: the partition gives nothing for a minute.
    """
    if partition.partition not in (consumer.partitions_for_topic(partition.topic) or ()):
        return None
    (start,) = consumer.beginning_offsets([partition]).values()
    (end,) = consumer.end_offsets([partition]).values()
    if not start <= offset < end:
        return None
    consumer.assign([partition])
    consumer.seek(partition, offset)
    while consumer.position(partition) <= offset:
        for records in _poll(consumer, partition.topic).values():
            return next((record for record in records if record.offset == offset), None)
    return None


def _partitions(consumer: KafkaConsumer, topic: str) -> list[TopicPartition]:
    found = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
    if not found:
        # Not an empty topic: who reads what was done before must not take it for nothing.
        raise SetupError(f"Kafka does not show the topic {topic}; check that it is there, and your rights")
    return found


def _poll(consumer: KafkaConsumer, topic: str) -> dict[TopicPartition, list[Any]]:
    """Poll until there are records, or a position has moved over what is none."""
    before = [consumer.position(each) for each in consumer.assignment()]
    deadline = monotonic() + _PATIENCE_SECONDS
    while monotonic() < deadline:
        records: dict[TopicPartition, list[Any]] = consumer.poll(timeout_ms=_POLL_MS)
        if records or before != [consumer.position(each) for each in consumer.assignment()]:
            return records
    raise SetupError(
        f"Kafka gives no records of {topic} any more, though it has some; check its brokers, "
        "then run the command again"
    )
