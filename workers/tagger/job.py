"""A post on its way through the worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from kafka import TopicPartition

from model.inference import PreparedText, Tagging
from schemas import ImageStatus, Post, Source
from workers.tagger.pictures.picture import Picture
from workers.tagger.unworkable import Unworkable

PICTURE_TOKENS: Final = 49

Headers = Sequence[tuple[str, bytes | None]]


@dataclass(slots=True, eq=False)
class Job:
    """One record of the input topic, from poll to commit.

    Threads hand it on in turn: the Kafka thread makes it, the pictures' thread adds the pictures, the
    engine's thread adds the tagging or the failure, the Kafka thread publishes it.
    """

    source: Source
    key: bytes | None
    value: bytes | None
    headers: Headers
    arrived: float = field(default_factory=monotonic)
    enqueued: float = 0.0
    post: Post | None = None
    text: PreparedText | None = None
    pictures: tuple[Picture, ...] = ()
    tagging: Tagging | None = None
    failure: Unworkable | None = None

    @property
    def partition(self) -> TopicPartition:
        """The partition the record came from."""
        return TopicPartition(self.source.topic, self.source.partition)

    @property
    def finished(self) -> bool:
        """Whether the record has its result or its failure."""
        return self.tagging is not None or self.failure is not None

    @property
    def tokens(self) -> int:
        """What the post costs in a batch: word pieces, and 49 block regions for each usable picture."""
        text = 0 if self.text is None else self.text.length
        usable = sum(picture.status is ImageStatus.OK for picture in self.pictures)
        return text + PICTURE_TOKENS * usable
