"""An annotation as it is written to `posts.annotations`, whoever hands it over."""

from __future__ import annotations

from kafka import KafkaProducer
from kafka.producer.future import FutureRecordMetadata

from schemas import AnnotatedPost


def send(producer: KafkaProducer, topic: str, annotated: AnnotatedPost) -> FutureRecordMetadata:
    """Give an annotation to a producer, under the id of its post: compaction keeps the newest of each.

    Returns:
        What tells whether the brokers have it.

    Raises:
        kafka.errors.KafkaError: the topic can't be seen, or the record is too large.
    """
    return producer.send(topic, key=annotated.post.id.encode(), value=annotated.model_dump_json().encode())
