"""The posts of a fault run: each made from its number alone, so that nobody has to remember them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_PLACES: Final = ("Oslo", "Lisbon", "Kraków", "Nairobi", "東京", "São Paulo", "Zürich", "القاهرة")
_NAMES: Final = ("Anita Borg", "NASA", "Harpa", "Akira Kurosawa", "ETH", "Miriam Makeba")
_KEYS: Final = 997


@dataclass(frozen=True)
class Workload:
    """Posts by number, from 0.

    Attributes:
        pictures: URLs that some of the posts carry.
        picture_every: Each so-many-th post carries one; the tiny network takes 20 ms for a fresh picture.
        broken_every: Each so-many-th post has no text and must end as a dead letter.
    """

    pictures: Sequence[str] = ()
    picture_every: int = 50
    broken_every: int = 211

    def key(self, number: int) -> bytes:
        """The key of a post's record; many posts share one."""
        return f"author-{number % _KEYS}".encode()

    def value(self, number: int) -> bytes:
        """The bytes of a post's record."""
        post: dict[str, object] = {"id": str(number)}
        if not self.broken(number):
            place, name = _PLACES[number % len(_PLACES)], _NAMES[number % len(_NAMES)]
            post["text"] = f"{name} in {place}, post {number}"
        if self.pictures and number % self.picture_every == 0:
            post["image_url"] = self.pictures[number // self.picture_every % len(self.pictures)]
        return json.dumps(post, ensure_ascii=False).encode()

    def broken(self, number: int) -> bool:
        """Whether the post has no text."""
        return number % self.broken_every == self.broken_every - 1
