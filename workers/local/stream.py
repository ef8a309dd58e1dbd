"""Follows posts and their results side by side, so that a result can be shown with its text."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from time import time
from typing import Any, Final

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from pydantic import ValidationError

from schemas import DeadLetter, Post, TaggedPost
from workers import kafka_clients
from workers.settings import KafkaSettings

_REMEMBERED: Final = 10_000

Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one record of the input topic.

    Attributes:
        place: partition and offset of the record.
        outcome: its result or its dead letter.
        post: the post, where the record was one.
        seconds: from the time stamp of the record to now.
    """

    place: Place
    outcome: TaggedPost | DeadLetter
    post: Post | None
    seconds: float


class Stream:
    """Reads the three topics from their present ends and joins each outcome with its post."""

    def __init__(self, settings: KafkaSettings, *, group_id: str) -> None:
        """Take a place at the end of the topics, which must exist.

        Args:
            settings: how to reach Kafka, and the topics.
            group_id: a new consumer group; it is given the same place, so that its members begin there.

        Raises:
            SetupError: no broker answers.
        """
        self._settings = settings
        self._consumer: KafkaConsumer = kafka_clients.reading_consumer(
            settings, from_start=False, group_id=group_id
        )
        topics = (settings.input_topic, settings.output_topic, settings.dead_letter_topic)
        partitions = [
            TopicPartition(topic, number)
            for topic in topics
            for number in self._consumer.partitions_for_topic(topic) or ()
        ]
        self._consumer.assign(partitions)
        self._consumer.seek_to_end(*partitions)
        self._consumer.commit(
            {
                partition: OffsetAndMetadata(self._consumer.position(partition), "", -1)
                for partition in partitions
                if partition.topic == settings.input_topic
            }
        )
        self._posts: OrderedDict[Place, tuple[Post | None, float]] = OrderedDict()
        # A result may be fetched before its post is: they come from different partitions.
        self._early: OrderedDict[Place, TaggedPost | DeadLetter] = OrderedDict()

    def close(self) -> None:
        """Let go of the broker."""
        self._consumer.close()

    def answers(self, timeout: float) -> Iterator[Answer]:
        """What has come out since the last call, after at most `timeout` seconds."""
        for records in self._consumer.poll(timeout_ms=int(timeout * 1_000)).values():
            for record in records:
                if record.topic == self._settings.input_topic:
                    place = (record.partition, record.offset)
                    _remember(self._posts, place, (_post(record.value), record.timestamp / 1_000))
                else:
                    outcome = _outcome(record, self._settings)
                    if outcome is None:
                        continue
                    place = _place(outcome)
                    _remember(self._early, place, outcome)
                if place in self._early and place in self._posts:
                    post, produced = self._posts.pop(place)
                    yield Answer(place, self._early.pop(place), post, time() - produced)


def _remember(kept: OrderedDict[Place, Any], place: Place, value: object) -> None:
    kept[place] = value
    if len(kept) > _REMEMBERED:
        kept.popitem(last=False)


def _post(value: bytes | None) -> Post | None:
    try:
        return Post.model_validate_json(value or b"")
    except ValidationError:
        return None


def _outcome(record: Any, settings: KafkaSettings) -> TaggedPost | DeadLetter | None:
    try:
        if record.topic == settings.output_topic:
            return TaggedPost.model_validate_json(record.value)
        return DeadLetter.from_headers(record.headers)
    except ValidationError:
        return None


def _place(outcome: TaggedPost | DeadLetter) -> Place:
    source = outcome.source if isinstance(outcome, TaggedPost) else outcome
    return source.partition, source.offset
