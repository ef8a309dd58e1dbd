"""A result beside its post, as the page shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from schemas import Post, TaggedPost

_MILLISECONDS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a result stands in the output topic; names a post on the page, for as long as Kafka keeps it."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}-{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read what `str` wrote.

        Raises:
            ValueError: it is no place.
        """
        partition, _, offset = text.partition("-")
        if not (partition.isascii() and partition.isdigit() and offset.isascii() and offset.isdigit()):
            raise ValueError(f"{text!r} is no place; give partition-offset, such as 0-17")
        return cls(int(partition), int(offset))


@dataclass(frozen=True, slots=True)
class ShownPost:
    """One result.

    Attributes:
        place: of the result.
        result: what the tagger found.
        post: the post it was found in; None where the input topic does not hold it any more.
        seconds: from the time stamp of the post's record until the worker was done.
    """

    place: Place
    result: TaggedPost
    post: Post | None = None
    seconds: float | None = None

    def content(self) -> dict[str, Any]:
        """What the page is told, for JSON."""
        result = self.result
        return {
            "place": str(self.place),
            "id": result.id,
            "text": None if self.post is None else self.post.text,
            "entities": [entity.model_dump(mode="json") for entity in result.entities],
            "images": [image.model_dump(mode="json") for image in result.images],
            "relevance": result.relevance,
            "release": f"{result.release.name} {result.release.version}",
            "processed_at": result.processed_at.isoformat(),
            "source": f"{result.source.topic} {result.source.partition}-{result.source.offset}",
            "latency_ms": None if self.seconds is None else round(self.seconds * _MILLISECONDS, 1),
        }
