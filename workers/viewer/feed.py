"""Follows the output topic in a thread of its own, and brings what it finds onto the timeline."""

from __future__ import annotations

from contextlib import closing
from threading import Event, Thread
from time import monotonic
from typing import Any, Final

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from pydantic import ValidationError

from schemas import TaggedPost
from workers import kafka_clients
from workers.backoff import jittered
from workers.errors import SetupError
from workers.settings import KafkaSettings
from workers.viewer.joiner import Found, Joiner
from workers.viewer.shown import Place
from workers.viewer.timeline import Timeline

_POLL_MS: Final = 200
# While posts are awaited results may wait a little: both come from the same brokers.
_SHORT_POLL_MS: Final = 10
_RETRY_FIRST_SECONDS: Final = 1.0
_RETRY_MOST_SECONDS: Final = 15.0
_PARTITIONS_SECONDS: Final = 30.0

_log = structlog.get_logger(__name__)


class Feed:
    """The last results of the output topic, then each new one as it is committed (`read_committed`).

    Joins no group and commits nothing. When Kafka goes away it comes back by itself, behind the last result
    that it has seen.
    """

    def __init__(self, settings: KafkaSettings, timeline: Timeline, *, history: int) -> None:
        """Start nothing yet.

        Args:
            settings: how to reach Kafka, and the topics.
            timeline: takes what is found.
            history: results to begin with.
        """
        self._settings: Final = settings
        self._timeline: Final = timeline
        self._history: Final = history
        self._positions: Final[dict[TopicPartition, int]] = {}
        self._stopping: Final = Event()
        self._thread: Final = Thread(target=self._run, name="feed", daemon=True)

    def start(self) -> None:
        """Start the thread; Kafka need not be there."""
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            began = monotonic()
            try:
                with (
                    closing(kafka_clients.reading_consumer(self._settings, from_start=True)) as results,
                    closing(kafka_clients.reading_consumer(self._settings, from_start=True)) as posts,
                ):
                    self._follow(results, posts)
            except (SetupError, KafkaError) as error:
                failures = 1 if monotonic() - began > _RETRY_MOST_SECONDS else failures + 1
                self._timeline.trouble = (
                    str(error) if isinstance(error, SetupError) else f"Kafka refuses ({type(error).__name__})"
                )
                self._timeline.wake()
                _log.warning("no results to be had", reason=self._timeline.trouble)
                self._stopping.wait(jittered(failures, first=_RETRY_FIRST_SECONDS, most=_RETRY_MOST_SECONDS))

    def _follow(self, results: KafkaConsumer, posts: KafkaConsumer) -> None:
        """Until we are to stop or the topic has another number of partitions."""
        partitions = self._assign(results)
        joiner = Joiner(posts, self._settings.input_topic, most=self._history)
        self._timeline.trouble = None
        self._fill_back(results, partitions, joiner)
        looked = monotonic()
        while not self._stopping.is_set():
            found = self._poll(results, _SHORT_POLL_MS if joiner.waiting else _POLL_MS)
            shown = joiner.take(found)
            dropped = joiner.drop_surplus()
            shown += joiner.joined()
            if shown or dropped:
                self._timeline.add(shown, passed_over=dropped)
            if monotonic() - looked > _PARTITIONS_SECONDS:
                looked = monotonic()
                if len(results.partitions_for_topic(self._settings.output_topic) or ()) > len(partitions):
                    return

    def _assign(self, results: KafkaConsumer) -> list[TopicPartition]:
        topic = self._settings.output_topic
        partitions = [
            TopicPartition(topic, number) for number in sorted(results.partitions_for_topic(topic) or ())
        ]
        if not partitions:
            raise SetupError(
                f"Kafka does not show the topic {topic}; make it by `rpbert topics create`, or name another "
                "by --output-topic"
            )
        results.assign(partitions)
        starts, ends = results.beginning_offsets(partitions), results.end_offsets(partitions)
        for each in partitions:
            before = max(starts[each], ends[each] - self._history)
            results.seek(each, self._positions.get(each, before))
        return partitions

    def _fill_back(self, results: KafkaConsumer, partitions: list[TopicPartition], joiner: Joiner) -> None:
        """The last results of all partitions, in the order in which they were made."""
        ends = results.end_offsets(partitions)
        found: list[Found] = []
        while not self._stopping.is_set() and any(results.position(each) < ends[each] for each in partitions):
            found += self._poll(results, _POLL_MS)
            found = sorted(found, key=lambda each: each[1].processed_at)[-self._history :]
        shown = joiner.take(found)
        while joiner.waiting and not self._stopping.is_set():
            shown += joiner.joined()
        self._timeline.add(sorted(shown, key=lambda each: each.result.processed_at))

    def _poll(self, results: KafkaConsumer, timeout_ms: int) -> list[Found]:
        found = []
        for partition, records in results.poll(timeout_ms=timeout_ms).items():
            found += [each for record in records if (each := _found(record)) is not None]
            self._positions[partition] = records[-1].offset + 1
        self._timeline.count([result for _, result in found])
        return found


def _found(record: Any) -> Found | None:
    """A result and its place; None for a record that is no result of ours."""
    try:
        result = TaggedPost.model_validate_json(record.value or b"")
    except ValidationError:
        return None
    return Place(record.partition, record.offset), result
