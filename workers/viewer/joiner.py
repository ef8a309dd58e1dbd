"""Finds the posts of results: a result names where its post stands, and holds no text itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from pydantic import ValidationError

from schemas import Post, TaggedPost
from workers.viewer.shown import Place, ShownPost

# So many records are read over sooner than a fetch is begun anew behind them.
_READ_OVER: Final = 500
_POLL_MS: Final = 100
_MILLISECONDS: Final = 1_000

Found = tuple[Place, TaggedPost]


class Joiner:
    """Reads from the input topic what results name, and no record ahead of them.

    Results of a partition come in its order, so that it is read once and forward; a backlog in front of the
    workers is left alone.
    """

    def __init__(self, consumer: KafkaConsumer, topic: str, *, most: int) -> None:
        """Read nothing yet.

        Args:
            consumer: of no group; it begins at the start where an offset is gone.
            topic: of the posts.
            most: results that may wait for their posts.
        """
        self._consumer: Final = consumer
        self._topic: Final = topic
        self._most: Final = most
        self._partitions: Final = {
            number: TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()
        }
        consumer.assign(list(self._partitions.values()))
        if self._partitions:
            consumer.pause(*self._partitions.values())
        self._wanted: Final[defaultdict[TopicPartition, dict[int, Found]]] = defaultdict(dict)
        self._sought: Final[set[TopicPartition]] = set()

    @property
    def waiting(self) -> int:
        """Results whose posts are not found yet."""
        return sum(map(len, self._wanted.values()))

    def take(self, found: Iterable[Found]) -> list[ShownPost]:
        """Take results; those whose posts can't be found come back at once."""
        textless = []
        for place, result in found:
            partition = self._partitions.get(result.source.partition)
            if partition is None or result.source.topic != self._topic:
                textless.append(ShownPost(place, result))
            else:
                self._wanted[partition][result.source.offset] = (place, result)
        return textless

    def drop_surplus(self) -> int:
        """Give up the oldest results beyond the most that may wait; how many."""
        waiting = self.waiting
        dropped = 0
        if waiting > self._most:
            for wanted in self._wanted.values():
                # Each partition gives its share, for the waiting ones stand in its order.
                share = -(-len(wanted) * (waiting - self._most) // waiting)
                for offset in sorted(wanted)[:share]:
                    del wanted[offset]
                dropped += share
        return dropped

    def joined(self) -> list[ShownPost]:
        """Results whose posts are found by now, or are known to be gone."""
        awaited = [partition for partition, wanted in self._wanted.items() if wanted]
        if not awaited:
            return []
        for partition in awaited:
            self._aim(partition, min(self._wanted[partition]))
        self._consumer.resume(*awaited)
        shown: list[ShownPost] = []
        for partition, records in self._consumer.poll(timeout_ms=_POLL_MS).items():
            wanted = self._wanted[partition]
            shown += [
                _shown(*wanted.pop(record.offset), record) for record in records if record.offset in wanted
            ]
        self._consumer.pause(*awaited)
        for partition in awaited:
            wanted, behind = self._wanted[partition], self._consumer.position(partition)
            # Read over, and not among the records: retention has it, or a transaction took it back.
            shown += [ShownPost(*wanted.pop(offset)) for offset in sorted(wanted) if offset < behind]
        return shown

    def _aim(self, partition: TopicPartition, offset: int) -> None:
        if partition in self._sought:
            ahead = offset - self._consumer.position(partition)
            if 0 <= ahead <= _READ_OVER:
                return
        self._consumer.seek(partition, offset)
        self._sought.add(partition)


def _shown(place: Place, result: TaggedPost, record: Any) -> ShownPost:
    return ShownPost(place, result, read_post(record.value), seconds_until(result, record.timestamp))


def read_post(value: bytes | None) -> Post | None:
    """The post of a record; None where it is none."""
    try:
        return Post.model_validate_json(value or b"")
    except ValidationError:
        return None


def seconds_until(result: TaggedPost, timestamp_ms: int) -> float | None:
    """Seconds from a record's time stamp to its result; None where the stamp is none or of a later clock."""
    seconds = result.processed_at.timestamp() - timestamp_ms / _MILLISECONDS
    return seconds if timestamp_ms > 0 and seconds >= 0 else None
