"""What `models.releases` says now: which release each channel serves, and which are not to be served."""

from __future__ import annotations

from pydantic import ValidationError

from schemas import ModelRelease
from workers.bounded_reads import held_records, reader_of
from workers.settings import KafkaSettings


class Board:
    """The newest record of each key; a record that is none of ours changes nothing."""

    def __init__(self) -> None:
        self.channels: dict[str, ModelRelease] = {}
        self._marks: dict[str, ModelRelease] = {}

    @classmethod
    def read(cls, settings: KafkaSettings) -> Board:
        """Read what the topic holds now.

        Raises:
            SetupError: no broker answers, the topic is missing, or Kafka refuses.
        """
        board = cls()
        with reader_of(settings, settings.release_topic) as consumer:
            for record in held_records(consumer, settings.release_topic):
                board.take(record.key, record.value)
        return board

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """Take in the next record of the topic.

        Args:
            key: of the record.
            value: of the record; an empty one lifts what stood under the key.
        """
        name = (key or b"").decode(errors="replace")
        if not value:
            self.channels.pop(name, None)
            self._marks.pop(name, None)
            return
        try:
            record = ModelRelease.model_validate_json(value)
        except ValidationError:
            return
        if record.key == name:
            (self.channels if record.mark is None else self._marks)[name] = record

    def mark(self, release: str) -> ModelRelease | None:
        """The mark on a release, `name/version`; None if it may be served."""
        return self._marks.get(release)
