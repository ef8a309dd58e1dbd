"""What the page writes to Kafka: posts of its own, and corrections of what the tagger found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final
from uuid import uuid4

from kafka import KafkaProducer
from kafka.errors import KafkaError
from kafka.producer.future import FutureRecordMetadata
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from model.data.annotated import gold_post
from model.data.gold import DatasetError
from schemas import AnnotatedPost, GoldEntity, Post
from workers.annotations.send import send
from workers.settings import KafkaSettings
from workers.viewer.answers import Refused
from workers.viewer.shown import ShownPost

_SEND_SECONDS: Final = 15.0


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Written(_Asked):
    """A post as the page sends it."""

    text: str
    image_urls: tuple[str, ...] = ()


class Correction(_Asked):
    """What a person says of a post: all of its entities, and which pictures are related."""

    entities: tuple[GoldEntity, ...]
    relations: tuple[bool | None, ...] | None = None
    annotator: str = Field(min_length=1, max_length=512)


class Writer:
    """Writes to the input topic and to the annotation topic, acknowledged by all replicas."""

    def __init__(self, producer: KafkaProducer, settings: KafkaSettings) -> None:
        self._producer: Final = producer
        self._settings: Final = settings

    async def write(self, body: bytes) -> str:
        """Produce a post; its id.

        Raises:
            Refused: 422, it is no post; 503, Kafka does not take it.
        """
        try:
            written = Written.model_validate_json(body)
            post = Post(
                id=f"viewer-{uuid4().hex[:12]}",
                text=written.text,
                image_urls=written.image_urls or None,
                created_at=datetime.now(UTC),
            )
        except ValidationError as error:
            raise Refused(422, _sentence(error)) from None
        topic, value = self._settings.input_topic, post.model_dump_json(exclude_none=True).encode()
        await run_in_threadpool(
            self._wait, topic, partial(self._producer.send, topic, value, post.id.encode())
        )
        return post.id

    async def correct(self, shown: ShownPost, body: bytes) -> None:
        """Produce a post as a person corrected it, under its own id: of several the newest counts.

        Raises:
            Refused: 404, the post's text is gone; 422, the correction does not fit it; 503, Kafka does not
                take it.
        """
        if shown.post is None:
            raise Refused(404, "the post itself is gone from the input topic: nothing to correct")
        try:
            correction = Correction.model_validate_json(body)
            annotated = AnnotatedPost(
                post=shown.post,
                entities=correction.entities,
                relations=correction.relations,
                annotator=correction.annotator,
                annotated_at=datetime.now(UTC),
            )
            # The trainer would refuse what stands on no word.
            gold_post(annotated, "the correction", Counter())
        except ValidationError as error:
            raise Refused(422, _sentence(error)) from None
        except DatasetError as error:
            raise Refused(422, str(error)) from None
        topic = self._settings.annotation_topic
        await run_in_threadpool(self._wait, topic, partial(send, self._producer, topic, annotated))

    def _wait(self, topic: str, sending: Callable[[], FutureRecordMetadata]) -> None:
        try:
            sending().get(timeout=_SEND_SECONDS)
        except KafkaError as error:
            raise Refused(
                503,
                f"Kafka did not take it for {topic} ({type(error).__name__}); check that the topic is there, "
                "then send it again",
            ) from error


def _sentence(error: ValidationError) -> str:
    detail = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(map(str, detail["loc"]))
    message = detail["msg"].removeprefix("Value error, ")
    return f"{field}: {message}" if field else message
