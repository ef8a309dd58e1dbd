"""The marks in `posts.dlq.replays`: which letter has been sent to which topic."""

from __future__ import annotations

from kafka import KafkaAdminClient, KafkaConsumer

from workers.bounded_reads import held_records
from workers.dead_letters.letter import Place
from workers.errors import SetupError
from workers.settings import KafkaSettings
from workers.topics import forgets, topic_ids


class Marks:
    """Which letters of a dead letters' topic have been replayed, to where and when.

    A mark's key says "this letter has been sent to that topic". It is written in the transaction that sends
    the letter, and compaction keeps it for ever.
    """

    def __init__(self, topic_id: str) -> None:
        """Begin without marks.

        Args:
            topic_id: of the dead letters' topic (KIP-516).
        """
        self._id = topic_id
        self._sent: dict[str, dict[str, int]] = {}

    @classmethod
    def read(cls, consumer: KafkaConsumer, admin: KafkaAdminClient, settings: KafkaSettings) -> Marks:
        """Read the marks there are now.

        Raises:
            SetupError: a topic of the two is missing, or Kafka stops giving records.
        """
        topic = settings.dead_letter_topic
        marks = cls(topic_ids(admin, [topic, settings.replay_topic])[topic])
        for record in held_records(consumer, settings.replay_topic):
            marks._take(record.key or b"", record.value, record.timestamp)
        return marks

    def key(self, place: Place, to: str) -> bytes:
        """The key of the mark that a letter has been sent to a topic."""
        return f"{self._letter(place)}:{to}".encode()

    def sent(self, place: Place) -> dict[str, int]:
        """The topics that a letter has been sent to, each with the time in ms since 1970."""
        return self._sent.get(self._letter(place), {})

    def _letter(self, place: Place) -> str:
        return f"{self._id}:{place}"

    def _take(self, key: bytes, value: bytes | None, timestamp_ms: int) -> None:
        letter, _, to = key.decode(errors="replace").rpartition(":")
        if value is None:
            self._sent.get(letter, {}).pop(to, None)
        else:
            self._sent.setdefault(letter, {})[to] = timestamp_ms


def require_mark_topic(admin: KafkaAdminClient, settings: KafkaSettings) -> None:
    """Check that marks can be kept, and for ever.

    Raises:
        SetupError: their topic is missing, or deletes old records.
    """
    topic_ids(admin, [settings.replay_topic])
    if forgets(admin, settings.replay_topic):
        raise SetupError(
            f"{settings.replay_topic} has a cleanup.policy that deletes, and would forget what was replayed; "
            "set it to compact by kafka-configs --alter --add-config cleanup.policy=compact"
        )
