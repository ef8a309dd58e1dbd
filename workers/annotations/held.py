"""What `posts.annotations` says of each post: the newest annotation wins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from pydantic import ValidationError

from schemas import AnnotatedPost
from workers.bounded_reads import held_records, held_until, reader_of
from workers.errors import SetupError
from workers.settings import KafkaSettings


class Annotations:
    """The newest annotation of each post, by the time at which it was made; of two at once the later record.

    A null value takes back what stands before it. A record that is none of ours, or under another key than
    its post's id, changes nothing.

    Attributes:
        until: How far each partition was read.
        records: Records read.
        unreadable: Of them, those that are none of ours.
    """

    def __init__(self, until: Mapping[int, int] | None = None) -> None:
        self.until = dict(until or {})
        self.records = 0
        self.unreadable = 0
        self._posts: dict[str, AnnotatedPost] = {}

    @classmethod
    def read(cls, settings: KafkaSettings, until: Mapping[int, int] | None = None) -> Self:
        """Read the topic.

        Args:
            settings: how to reach Kafka.
            until: offsets to stop before, by partition; None reads what the topic holds now.

        Raises:
            SetupError: no broker answers, the topic is missing or ends before `until`, or Kafka refuses.
        """
        topic = settings.annotation_topic
        with reader_of(settings, topic) as consumer:
            ends = held_until(consumer, topic)
            if until is not None:
                _require_held(topic, until, ends)
                ends = {partition: until.get(partition, 0) for partition in ends}
            annotations = cls(ends)
            for record in held_records(consumer, topic, until=ends):
                annotations.take(record.key, record.value)
        return annotations

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """Take in the next record of a partition."""
        self.records += 1
        if not value:
            self._posts.pop((key or b"").decode(errors="replace"), None)
            return
        try:
            annotated = AnnotatedPost.model_validate_json(value)
        except ValidationError:
            self.unreadable += 1
            return
        if key != annotated.post.id.encode():
            self.unreadable += 1
        elif not self.is_older(annotated):
            self._posts[annotated.post.id] = annotated

    def is_older(self, annotated: AnnotatedPost) -> bool:
        """Whether a newer annotation of the same post is there."""
        there = self._posts.get(annotated.post.id)
        return there is not None and there.annotated_at > annotated.annotated_at

    def __contains__(self, annotated: AnnotatedPost) -> bool:
        """Whether this very annotation is there."""
        return self._posts.get(annotated.post.id) == annotated

    @property
    def by_age(self) -> list[AnnotatedPost]:
        """One annotation of each post, the oldest first."""
        return sorted(self._posts.values(), key=lambda each: (each.annotated_at, each.post.id))


def read_offsets(text: str) -> dict[int, int]:
    """Read `partition:offset,…`, as `written_offsets` writes it."""
    pairs = (pair.split(":") for pair in text.split(","))
    return {int(partition): int(offset) for partition, offset in pairs}


def written_offsets(offsets: Mapping[int, int]) -> str:
    """Offsets by partition as one word."""
    return ",".join(f"{partition}:{offset}" for partition, offset in sorted(offsets.items()))


def _require_held(topic: str, until: Mapping[int, int], ends: Mapping[int, int]) -> None:
    beyond = {partition: offset for partition, offset in until.items() if offset > ends.get(partition, -1)}
    if beyond:
        raise SetupError(
            f"--until-offsets {written_offsets(beyond)} lies beyond {topic}, which ends at "
            f"{written_offsets(ends)}; give offsets that it has reached"
        )
