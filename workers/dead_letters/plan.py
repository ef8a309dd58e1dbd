"""Which letters a replay sends, as which records, and why it leaves out the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from heapq import nsmallest
from typing import NamedTuple

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from schemas import DeadLetter, Header, Replay
from workers.bounded_reads import held_record
from workers.dead_letters.letter import Letter, last_replay, without_ours
from workers.dead_letters.marks import Marks
from workers.outgoing import Outgoing
from workers.settings import KafkaSettings
from workers.topics import message_bytes


class LeftOut(StrEnum):
    """Why a letter is not sent, for a person."""

    SENT = "already replayed"
    TOO_OFTEN = "replayed too often, see --max-times"
    FOREIGN = "no dead letter of rpbert"
    GONE = "too large for the dead letters' topic and gone from its source"
    OWN_TOPIC = "its topic holds the dead letters themselves, see --to"
    NO_TOPIC = "its topic is not there, see --to"
    TOO_LARGE = "larger than its topic takes, see the topic's max.message.bytes"


@dataclass(frozen=True, slots=True)
class Sending:
    """A letter and the record that it is sent back as.

    Attributes:
        letter: the letter.
        record: key, value and headers of the original record, and the headers of the replay.
        partition: partition of the record's topic.
        replay: what the headers and the mark say.
    """

    letter: Letter
    record: Outgoing
    partition: int
    replay: Replay


@dataclass(frozen=True, slots=True)
class Plan:
    """What a replay does.

    Attributes:
        sendings: the oldest letters that may be sent, as many as were asked for, each partition's in order.
        later: how many more may be sent.
        left_out: how many may not be sent, and why.
    """

    sendings: list[Sending]
    later: int
    left_out: Counter[LeftOut]


class _Target(NamedTuple):
    partitions: int
    message_bytes: int


class _Original(NamedTuple):
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]


class Planner:
    """Decides about letters; it reads Kafka and writes nothing."""

    def __init__(
        self,
        consumer: KafkaConsumer,
        admin: KafkaAdminClient,
        marks: Marks,
        *,
        settings: KafkaSettings,
        to: str | None,
        max_times: int,
    ) -> None:
        """Take what deciding needs.

        Args:
            consumer: of no group; another than the one that reads the letters.
            admin: tells what the topics take.
            marks: what has been sent already.
            settings: the topics.
            to: topic to send all letters to; None sends each to where it came from.
            max_times: how often a record may be replayed.
        """
        self._consumer = consumer
        self._admin = admin
        self._marks = marks
        self._settings = settings
        self._to = to
        self._max_times = max_times
        self._now = datetime.now(UTC)
        self._targets: dict[str, _Target | None] = {}

    def plan(self, letters: Iterable[Letter], limit: int) -> Plan:
        """Decide about letters.

        Raises:
            SetupError: Kafka stops giving records.
        """
        left_out: Counter[LeftOut] = Counter()
        sendable = 0

        def sendings() -> Iterable[Sending]:
            nonlocal sendable
            for letter in letters:
                decided = self._decide(letter)
                if isinstance(decided, LeftOut):
                    left_out[decided] += 1
                else:
                    sendable += 1
                    yield decided

        # Keeps no more than `limit` letters in memory, however many there are.
        oldest = nsmallest(limit, sendings(), key=lambda sending: sending.letter.age_order)
        oldest.sort(key=lambda sending: sending.letter.place)
        return Plan(oldest, sendable - len(oldest), left_out)

    def _decide(self, letter: Letter) -> Sending | LeftOut:
        cause = letter.cause
        if cause is None:
            return LeftOut.FOREIGN
        to = self._to or cause.topic
        if to in (self._settings.dead_letter_topic, self._settings.replay_topic):
            return LeftOut.OWN_TOPIC
        if to in self._marks.sent(letter.place):
            return LeftOut.SENT
        target = self._target(to)
        if target is None:
            return LeftOut.NO_TOPIC
        original = self._original(letter, cause)
        if original is None:
            return LeftOut.GONE
        before = last_replay(original.headers)
        replay = Replay(
            topic=self._settings.dead_letter_topic,
            partition=letter.place.partition,
            offset=letter.place.offset,
            to=to,
            count=1 if before is None else before.count + 1,
            replayed_at=self._now,
        )
        # kafka-python sends no null as a header's value.
        headers = [
            (name, value or b"") for name, value in [*without_ours(original.headers), *replay.to_headers()]
        ]
        record = Outgoing(to, original.key, original.value or b"", headers)
        # The partition that it came from, so that the order within it is kept whatever the keys are.
        sending = Sending(letter, record, cause.partition % target.partitions, replay)
        return self._refusal(sending, target) or sending

    def _refusal(self, sending: Sending, target: _Target) -> LeftOut | None:
        if sending.replay.count > self._max_times:
            return LeftOut.TOO_OFTEN
        return LeftOut.TOO_LARGE if sending.record.size > target.message_bytes else None

    def _original(self, letter: Letter, cause: DeadLetter) -> _Original | None:
        if cause.omitted_bytes is None:
            return _Original(letter.key, letter.value, letter.headers)
        source = held_record(self._consumer, TopicPartition(cause.topic, cause.partition), cause.offset)
        return None if source is None else _Original(source.key, source.value, source.headers)

    def _target(self, topic: str) -> _Target | None:
        if topic not in self._targets:
            partitions = self._consumer.partitions_for_topic(topic)
            self._targets[topic] = (
                _Target(len(partitions), message_bytes(self._admin, topic)) if partitions else None
            )
        return self._targets[topic]
