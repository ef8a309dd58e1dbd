"""Topics of a test's own, with posts and results on them as producers and workers write them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from schemas import Entity, EntityType, ImageRelation, ImageStatus, Post, TaggedPost
from schemas.tagged_post import ReleaseName, Source
from workers.settings import KafkaSettings

Image = tuple[str, float | None]
Name = tuple[str, str, float]
"""Type, text, score; it stands where the text first has it."""

_numbers = count()


@dataclass(frozen=True)
class Stand:
    """Three topics with one partition each, and what is written to them."""

    bootstrap_servers: str
    raw: str
    entities: str
    annotations: str

    @property
    def kafka(self) -> KafkaSettings:
        return KafkaSettings(
            bootstrap_servers=self.bootstrap_servers,
            input_topic=self.raw,
            output_topic=self.entities,
            annotation_topic=self.annotations,
        )

    def publish(self, *posts: tuple[Post, TaggedPost]) -> None:
        """Produce posts and their results, as `tagged` makes them."""
        with closing(KafkaProducer(bootstrap_servers=self.bootstrap_servers, linger_ms=5)) as producer:
            sent = [
                (producer.send(self.raw, key=post.id.encode(), value=post.model_dump_json().encode()), result)
                for post, result in posts
            ]
            for future, result in sent:
                at = future.get(timeout=30)
                source = Source(topic=self.raw, partition=at.partition, offset=at.offset)
                value = result.model_copy(update={"source": source, "processed_at": datetime.now(UTC)})
                producer.send(self.entities, key=result.id.encode(), value=value.model_dump_json().encode())
            producer.flush(timeout=30)

    def records(self, topic: str, expected: int) -> list[Any]:
        """The first records of a topic, once there are so many."""
        with closing(
            KafkaConsumer(bootstrap_servers=self.bootstrap_servers, auto_offset_reset="earliest")
        ) as consumer:
            consumer.assign([TopicPartition(topic, 0)])
            found: list[Any] = []
            for _ in range(150):
                for records in consumer.poll(timeout_ms=200).values():
                    found += records
                if len(found) >= expected:
                    break
            return found


def tagged(
    text: str,
    names: Sequence[Name] = (),
    images: Sequence[Image] = (),
    *,
    name: str | None = None,
    release: str = "small 1.1.0",
) -> tuple[Post, TaggedPost]:
    """A post and what a worker might make of it; an image without a score could not be had."""
    made_by, version = release.split()
    identity = name or f"post-{next(_numbers)}"
    post = Post(id=identity, text=text, image_urls=tuple(url for url, _ in images) or None)
    entities = [
        Entity(
            type=EntityType(kind),
            text=each,
            start=text.index(each),
            end=text.index(each) + len(each),
            score=score,
        )
        for kind, each, score in names
    ]
    relations = tuple(
        ImageRelation(
            url=url, status=ImageStatus.HTTP_ERROR if score is None else ImageStatus.OK, relevance=score
        )
        for url, score in images
    )
    result = TaggedPost(
        id=identity,
        entities=tuple(sorted(entities, key=lambda entity: entity.start)),
        relevance=max((score for _, score in images if score is not None), default=None),
        images=relations,
        release=ReleaseName(name=made_by, version=version),
        source=Source(topic="filled in when it is produced", partition=0, offset=0),
        processed_at=datetime.now(UTC),
    )
    return post, result
