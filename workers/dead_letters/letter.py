"""A dead letter as it stands in its topic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, Self

from kafka import KafkaConsumer, TopicPartition
from pydantic import ValidationError

from schemas import DeadLetter, Header, Replay
from workers.bounded_reads import held_record, held_records
from workers.dead_letters.selection import Selection

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)


class Place(NamedTuple):
    """Where a letter stands in the dead letters' topic."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `PARTITION:OFFSET`.

        Raises:
            ValueError: it is something else.
        """
        partition, colon, offset = text.partition(":")
        if not (colon and partition.isdecimal() and offset.isdecimal()):
            raise ValueError(f"{text!r} is no place of a letter; write PARTITION:OFFSET, such as 3:41")
        return cls(int(partition), int(offset))


@dataclass(frozen=True, slots=True)
class Letter:
    """One record of the dead letters' topic.

    Attributes:
        place: where it stands.
        timestamp_ms: when it was written, in ms since 1970.
        key: the key, the original record's.
        value: the value, the original record's.
        headers: all headers, the original record's first.
        cause: what went wrong; None if the record is no dead letter of ours.
        replay: the replay that this letter comes of; None if it was never replayed before.
    """

    place: Place
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...]
    cause: DeadLetter | None
    replay: Replay | None

    @property
    def age_order(self) -> tuple[int, Place]:
        """Sorts letters from the oldest to the newest."""
        return self.timestamp_ms, self.place

    @property
    def time(self) -> datetime:
        """When it was written."""
        return moment(self.timestamp_ms)


def moment(timestamp_ms: int) -> datetime:
    """The time of a record; what no calendar holds is brought to its ends."""
    return _EPOCH + timedelta(milliseconds=min(max(timestamp_ms, 0), _LAST_MS))


def read_letters(consumer: KafkaConsumer, topic: str, selection: Selection) -> Iterator[Letter]:
    """The selected letters that the topic holds now, each partition's in its order.

    Raises:
        SetupError: Kafka stops giving records.
    """
    for record in held_records(consumer, topic, since_ms=selection.since_ms):
        letter = _letter(record)
        if selection.holds(letter.timestamp_ms, letter.cause):
            yield letter


def read_letter(consumer: KafkaConsumer, topic: str, place: Place) -> Letter | None:
    """The letter at a place, None if there is none.

    Raises:
        SetupError: Kafka stops giving records.
    """
    record = held_record(consumer, TopicPartition(topic, place.partition), place.offset)
    return None if record is None else _letter(record)


def without_ours(headers: Iterable[Header]) -> list[Header]:
    """The headers that the original record came with."""
    ours = (DeadLetter.header_prefix, Replay.header_prefix)
    return [(name, value) for name, value in headers if not name.startswith(ours)]


def last_replay(headers: Iterable[Header]) -> Replay | None:
    """The replay that a record comes of."""
    try:
        return Replay.from_headers(headers)
    except ValidationError:
        # Not replayed, or headers that only look like ours: anybody may set them.
        return None


def _letter(record: Any) -> Letter:
    try:
        cause = DeadLetter.from_headers(record.headers)
    except ValidationError:
        cause = None
    return Letter(
        place=Place(record.partition, record.offset),
        timestamp_ms=record.timestamp,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
        cause=cause,
        replay=last_replay(record.headers),
    )
