"""How far the workers are behind, read now and then in a thread of its own."""

from __future__ import annotations

from contextlib import closing
from threading import Event, Thread
from typing import Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from workers import kafka_clients
from workers.errors import SetupError
from workers.settings import KafkaSettings
from workers.viewer.timeline import Timeline

_EVERY_SECONDS: Final = 2.0
_PATIENCE_MS: Final = 5_000


class LagReader:
    """Records of the input topic behind what a group has committed, written onto the timeline."""

    def __init__(self, settings: KafkaSettings, group_id: str, timeline: Timeline) -> None:
        """Start nothing yet."""
        self._settings: Final = settings
        self._group_id: Final = group_id
        self._timeline: Final = timeline
        self._stopping: Final = Event()
        self._thread: Final = Thread(target=self._run, name="lag", daemon=True)

    def start(self) -> None:
        """Start the thread; Kafka need not be there."""
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                # It has the group's name to read its offsets; it never joins.
                with closing(
                    kafka_clients.reading_consumer(self._settings, from_start=True, group_id=self._group_id)
                ) as consumer:
                    while not self._stopping.is_set():
                        self._timeline.lag = _lag(consumer, self._settings.input_topic)
                        self._stopping.wait(_EVERY_SECONDS)
            except (SetupError, KafkaError):
                # The feed says what is wrong; an old figure would be taken for a new one.
                self._timeline.lag = None
                self._stopping.wait(_EVERY_SECONDS)


def _lag(consumer: KafkaConsumer, topic: str) -> int | None:
    """None while the group has committed nothing at all."""
    partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
    committed = {each: consumer.committed(each, timeout_ms=_PATIENCE_MS) for each in partitions}
    if all(offset is None for offset in committed.values()):
        return None
    starts = consumer.beginning_offsets(partitions, timeout_ms=_PATIENCE_MS)
    ends = consumer.end_offsets(partitions, timeout_ms=_PATIENCE_MS)
    lag: int = sum(max(0, ends[each] - max(starts[each], committed[each] or 0)) for each in partitions)
    return lag
