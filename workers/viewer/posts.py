"""Any post that Kafka still holds, by the place of its result."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import Final

from cachetools import LRUCache
from kafka import TopicPartition
from kafka.errors import KafkaError
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from schemas import TaggedPost
from workers import kafka_clients
from workers.bounded_reads import held_record
from workers.errors import SetupError
from workers.settings import KafkaSettings
from workers.viewer.answers import Refused
from workers.viewer.joiner import read_post, seconds_until
from workers.viewer.shown import Place, ShownPost
from workers.viewer.timeline import Timeline

_REMEMBERED: Final = 256
# Each look makes a client.
_LOOKS_AT_A_TIME: Final = 2


class Posts:
    """Posts of the timeline, and older ones from Kafka."""

    def __init__(self, settings: KafkaSettings, timeline: Timeline) -> None:
        self._settings: Final = settings
        self._timeline: Final = timeline
        self._older: Final[LRUCache[Place, ShownPost]] = LRUCache(_REMEMBERED)
        self._looks: Final = asyncio.Semaphore(_LOOKS_AT_A_TIME)

    async def find(self, name: str) -> ShownPost:
        """The post whose result stands at the place of that name.

        Raises:
            Refused: 404, there is none; 503, Kafka can't be asked.
        """
        try:
            place = Place.parse(name)
        except ValueError as error:
            raise Refused(404, str(error)) from None
        known = self._timeline.find(place) or self._older.get(place)
        if known is not None:
            return known
        async with self._looks:
            found = await run_in_threadpool(self._look, place)
        if found is None:
            raise Refused(
                404,
                f"no result stands at {place} of {self._settings.output_topic}: it was never there, or the "
                "topic's retention has removed it",
            )
        self._older[place] = found
        return found

    def _look(self, place: Place) -> ShownPost | None:
        try:
            with closing(kafka_clients.reading_consumer(self._settings, from_start=True)) as consumer:
                record = held_record(
                    consumer, TopicPartition(self._settings.output_topic, place.partition), place.offset
                )
                if record is None:
                    return None
                result = TaggedPost.model_validate_json(record.value or b"")
                source = TopicPartition(result.source.topic, result.source.partition)
                raw = (
                    held_record(consumer, source, result.source.offset)
                    if source.topic == self._settings.input_topic
                    else None
                )
        except ValidationError:
            return None
        except (SetupError, KafkaError) as error:
            raise Refused(503, f"Kafka can't be asked for it ({type(error).__name__}); try again") from error
        if raw is None:
            return ShownPost(place, result)
        return ShownPost(place, result, read_post(raw.value), seconds_until(result, raw.timestamp))
