"""From a finished job to the record that tells of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic, time
from typing import Final, Protocol

from model.inference import Tagging
from schemas import DeadLetter, DeadLetterReason, ImageRelation, ImageStatus, Stage, TaggedPost
from schemas.tagged_post import SCHEMA_HEADER, TAGGED_POST_SCHEMA
from workers.metrics import Metrics
from workers.outgoing import Outgoing
from workers.settings import KafkaSettings
from workers.tagger.job import Job
from workers.tagger.pictures.picture import Picture
from workers.tagger.unworkable import Unworkable
from workers.topics import TopicLimits

_RESULT_HEADERS: Final = [(SCHEMA_HEADER, TAGGED_POST_SCHEMA.encode())]


class Traces(Protocol):
    """Who tells of posts to OpenTelemetry."""

    def begin(self, job: Job, topic: str) -> list[tuple[str, bytes]]:
        """Headers that carry a finished job's context to `topic`."""

    def end(self, job: Job) -> None:
        """The job is committed."""


class Outcomes:
    """Makes the record of each finished job, and counts it once it is committed."""

    def __init__(
        self, topics: KafkaSettings, limits: TopicLimits, metrics: Metrics, traces: Traces | None = None
    ) -> None:
        self._topics = topics
        self._limits = limits
        self._metrics = metrics
        self._traces = traces

    def record(self, job: Job) -> Outgoing:
        """The record of a finished job; its key is the key of the post's record."""
        if job.failure is None:
            value = self._tagged_post(job).model_dump_json().encode()
            headers = _RESULT_HEADERS
            if self._traces is not None:
                headers = [*headers, *self._traces.begin(job, self._topics.output_topic)]
            result = Outgoing(self._topics.output_topic, job.key, value, headers)
            if result.size <= self._limits.output:
                return result
            job.failure = Unworkable(
                DeadLetterReason.RESULT_TOO_LARGE,
                Stage.PUBLISH,
                f"The result has {result.size} bytes, more than the {self._limits.output} "
                f"that {self._topics.output_topic} takes; raise its max.message.bytes.",
            )
        failure = job.failure
        if self._traces is not None:
            # A dead letter keeps the headers it came with, its producer's context among them.
            self._traces.begin(job, self._topics.dead_letter_topic)
        letter = self._dead_letter(job, failure, failure.message)
        if letter.size <= self._limits.dead_letter:
            return letter
        note = (
            f"{failure.message} It has {letter.size} bytes, more than the {self._limits.dead_letter} that "
            f"{self._topics.dead_letter_topic} takes: read it at its source."
        )
        return self._dead_letter(job, failure, note, omitted_bytes=letter.size)

    def take_less(self, record: Outgoing) -> bool:
        """Note that a record was too large after all: its topic's limit was lowered since the start.

        Returns:
            Whether that helps: what is made of its job now is smaller.
        """
        limits, below = self._limits, record.size - 1
        if record.topic == self._topics.output_topic and below < limits.output:
            self._limits = replace(limits, output=below)
        elif record.topic == self._topics.dead_letter_topic and below < limits.dead_letter:
            self._limits = replace(limits, dead_letter=below)
        else:
            return False
        return True

    def count(self, job: Job) -> None:
        """Count a job that is committed."""
        metrics = self._metrics
        if self._traces is not None:
            self._traces.end(job)
        metrics.post_seconds.observe(monotonic() - job.arrived)
        # A producer's clock may be ahead of ours.
        metrics.post_age.observe(max(0.0, time() - job.written))
        if job.failure is not None:
            metrics.posts_dead.labels(job.failure.reason.value).inc()
            return
        metrics.posts_tagged.inc()
        metrics.posts_by_evidence.labels(_evidence(job)).inc()
        for picture in job.pictures:
            metrics.images.labels(picture.status.value).inc()
        if job.tagging is not None:
            for score in job.tagging.relevance:
                metrics.relation_score.observe(score)
            for entity in job.tagging.entities:
                metrics.entities.labels(entity.type.value).inc()
                metrics.entity_score.observe(entity.score)

    def _tagged_post(self, job: Job) -> TaggedPost:
        if job.post is None or job.tagging is None:
            raise ValueError("only a tagged job has a result")
        return TaggedPost(
            id=job.post.id,
            entities=job.tagging.entities,
            relevance=max(job.tagging.relevance, default=None),
            images=image_relations(job.pictures, job.tagging),
            release=job.served.release,
            source=job.source,
            processed_at=datetime.now(UTC),
        )

    def _dead_letter(
        self, job: Job, failure: Unworkable, message: str, *, omitted_bytes: int | None = None
    ) -> Outgoing:
        bare = omitted_bytes is not None
        letter = DeadLetter(
            reason=failure.reason,
            stage=failure.stage,
            field=failure.field,
            message=message,
            topic=job.source.topic,
            partition=job.source.partition,
            offset=job.source.offset,
            release=job.served.name,
            omitted_bytes=omitted_bytes,
        )
        given = () if bare else job.headers
        # kafka-python sends no null: not as a header's value, and not as a value without a key.
        headers = [(name, content or b"") for name, content in [*given, *letter.to_headers()]]
        return Outgoing(
            self._topics.dead_letter_topic,
            None if bare else job.key,
            b"" if bare else job.value or b"",
            headers,
        )


def _evidence(job: Job) -> str:
    if not job.pictures:
        return "text"
    had = any(picture.status is ImageStatus.OK for picture in job.pictures)
    return "text_and_picture" if had else "text_only"


def image_relations(pictures: Sequence[Picture], tagging: Tagging) -> tuple[ImageRelation, ...]:
    """Each picture with its relation score; the scores stand for the usable pictures, in their order."""
    relevance = iter(tagging.relevance)
    return tuple(
        ImageRelation(
            url=picture.url,
            status=picture.status,
            relevance=next(relevance) if picture.status is ImageStatus.OK else None,
        )
        for picture in pictures
    )
