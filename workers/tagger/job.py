"""A post on its way through the worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic, time
from typing import Any, Final

from kafka import TopicPartition

from model.inference import PreparedText, Tagging
from schemas import ImageStatus, Post, Source
from workers.tagger.pictures.picture import Picture
from workers.tagger.serving.served import Served
from workers.tagger.unworkable import Unworkable

PICTURE_TOKENS: Final = 49

# What one word of a prepared text takes, measured; and a decoded picture, 224 by 224 pixels of 3 bytes.
_WORD_BYTES: Final = 340
_PICTURE_BYTES: Final = 150_528

Headers = Sequence[tuple[str, bytes | None]]


@dataclass(slots=True, eq=False)
class Job:
    """One record of the input topic, from poll to commit.

    Threads hand it on in turn: the Kafka thread makes it, the pictures' thread adds the pictures, the
    engine's thread adds the tagging or the failure, the Kafka thread publishes it.

    Attributes:
        served: the release that it was taken in under and is tagged by.
        arrived, enqueued, tagged: when it came in, began to wait for its batch and had its tagging, in
            seconds of the monotonic clock.
        spans: of OpenTelemetry, once it is finished and if posts are traced.
        written: the record's time stamp in the input topic, in seconds of Unix time.
    """

    source: Source
    key: bytes | None
    value: bytes | None
    headers: Headers
    served: Served = field(kw_only=True)
    record_bytes: int = 0
    written: float = field(default_factory=time)
    arrived: float = field(default_factory=monotonic)
    enqueued: float = 0.0
    post: Post | None = None
    text: PreparedText | None = None
    pictures: tuple[Picture, ...] = ()
    tagging: Tagging | None = None
    tagged: float = 0.0
    failure: Unworkable | None = None
    spans: tuple[Any, ...] = ()

    @property
    def partition(self) -> TopicPartition:
        """The partition the record came from."""
        return TopicPartition(self.source.topic, self.source.partition)

    @property
    def finished(self) -> bool:
        """Whether the record has its result or its failure."""
        return self.tagging is not None or self.failure is not None

    @property
    def weight(self) -> int:
        """About how many bytes it holds; the same from intake to commit, whatever comes and goes between."""
        words = 0 if self.text is None else len(self.text.words)
        pictures = 0 if self.post is None else len(self.post.pictures)
        return self.record_bytes + _WORD_BYTES * words + _PICTURE_BYTES * pictures

    @property
    def tokens(self) -> int:
        """What the post costs in a batch: word pieces, and 49 block regions for each usable picture."""
        text = 0 if self.text is None else self.text.length
        usable = sum(picture.status is ImageStatus.OK for picture in self.pictures)
        return text + PICTURE_TOKENS * usable
