"""Posts for the benches, each made from its number alone, about as long as those of Twitter-2017."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from string import ascii_lowercase
from typing import Final

_COMMON: Final = (
    "Anita Borg speaks in Lisbon tonight with the crew of #Apollo and @nasa about what comes after the Moon "
    "RT while fans of Manchester United wait at Old Trafford for Rashford , and it rains again ! "
    "Kendrick plays DAMN. for the first time outside of Compton so happy to be here on # TV : see you there"
)
_WORDS: Final = tuple(_COMMON.split())
# Twitter-2017 has 16 tokens a post; one word in five was in none of the thousands of posts before.
_MEAN_WORDS: Final = 16
_SPREAD: Final = 6
_FEWEST, _MOST = 3, 39
_NEW_WORDS: Final = 3
_KEYS: Final = 997


@dataclass(frozen=True)
class Posts:
    """Posts by number, from 0.

    Attributes:
        urls: pictures; each post has one of them, in turn, or none where there are none.
        seed: draws the texts.
        words: how many a post has; None for lengths as of Twitter-2017.
        pictures: how many each post has, where there are URLs.
    """

    urls: Sequence[str] = ()
    seed: int = 1
    words: int | None = None
    pictures: int = 1

    def key(self, number: int) -> bytes:
        """The key of a post's record; many posts share one."""
        return f"author-{number % _KEYS}".encode()

    def text(self, number: int) -> str:
        """The text of a post."""
        random = Random(self.seed * 1_000_003 + number)  # noqa: S311 - a workload, no secret
        drawn = round(random.gauss(_MEAN_WORDS, _SPREAD))
        count = self.words or min(_MOST, max(_FEWEST, drawn))
        rare = (f"@{self._rare(random)}", self._rare(random).title(), f"https://t.co/{self._rare(random)}")
        words = [*random.choices(_WORDS, k=max(0, count - _NEW_WORDS)), *rare[:count]]
        random.shuffle(words)
        return " ".join(words)

    @staticmethod
    def _rare(random: Random) -> str:
        return "".join(random.choices(ascii_lowercase, k=8))

    def value(self, number: int) -> bytes:
        """The bytes of a post's record."""
        post: dict[str, object] = {"id": str(number), "text": self.text(number)}
        if self.urls:
            first = number * self.pictures
            post["image_urls"] = [self.urls[(first + each) % len(self.urls)] for each in range(self.pictures)]
        return json.dumps(post, ensure_ascii=False).encode()
