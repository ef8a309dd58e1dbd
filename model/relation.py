"""Task 1, text-image relation (paper, section 3.2): pairs of a text and a picture, related or not.

Some pairs are kept from training, to measure what was learnt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from model.data.captioned import CaptionedPicture
from model.data.gold import DatasetError
from model.words import PreparedText

HELD_OUT_CONCEPTS: Final = 0.25
"""Share of the concepts of captioned pictures that no training step sees."""

HELD_OUT_PAIRS: Final = 0.1
"""Share of labelled pairs that no training step sees."""

_MISMATCHES: Final = 5
"""Foreign captions that each held-out picture is judged with."""

_LEAST_CONCEPTS: Final = round(2 / HELD_OUT_CONCEPTS)


@dataclass(frozen=True, slots=True)
class Pair:
    """A text, a picture, and whether they are related."""

    text: PreparedText
    picture: Path
    related: bool


class Pairs(Protocol):
    """Pairs from one source."""

    name: str
    held_out: tuple[Pair, ...]
    pictures: tuple[Path, ...]
    """Pictures that training may see."""

    def __len__(self) -> int:
        """Pairs that an epoch trains on."""

    def draw(self, random: np.random.Generator, /) -> list[Pair]:
        """The pairs of an epoch, in any order."""


class LabelledPairs:
    """Pairs that people have labelled; the same in every epoch."""

    def __init__(self, name: str, pairs: Sequence[Pair], seed: int) -> None:
        self.name = name
        order = np.random.default_rng(seed).permutation(len(pairs))
        count = round(HELD_OUT_PAIRS * len(pairs))
        self.held_out = tuple(pairs[index] for index in sorted(order[:count]))
        self._seen = [pairs[index] for index in sorted(order[count:])]
        self.pictures = tuple(pair.picture for pair in self._seen)

    def __len__(self) -> int:
        return len(self._seen)

    def draw(self, _random: np.random.Generator, /) -> list[Pair]:
        """All of them: nothing is left to chance."""
        return self._seen


class CaptionedPairs:
    """Every picture once with its own caption and once with that of another concept.

    A concept is trained on or held out, whole.

    Raises:
        DatasetError: too few concepts for a foreign caption on either side.
    """

    def __init__(
        self, pictures: Sequence[CaptionedPicture], prepare: Callable[[str], PreparedText], seed: int
    ) -> None:
        self.name = "captioned pictures"
        held = _some_concepts(pictures, seed)
        self._seen = _Captions([each for each in pictures if each.concept not in held], prepare)
        self.pictures = tuple(each.path for each in self._seen.pictures)
        outside = _Captions([each for each in pictures if each.concept in held], prepare)
        self.held_out = tuple(outside.pairs(np.random.default_rng(seed), foreign=_MISMATCHES))

    def __len__(self) -> int:
        return 2 * len(self._seen.pictures)

    def draw(self, random: np.random.Generator, /) -> list[Pair]:
        """Each picture twice, the foreign captions drawn anew."""
        return self._seen.pairs(random, foreign=1)


def _some_concepts(pictures: Sequence[CaptionedPicture], seed: int) -> set[str]:
    concepts = sorted({picture.concept for picture in pictures})
    if len(concepts) < _LEAST_CONCEPTS:
        raise DatasetError(
            f"too few folders of captioned pictures, {len(concepts)}: at least {_LEAST_CONCEPTS}, "
            "so that two are held out"
        )
    order = np.random.default_rng(seed).permutation(len(concepts))
    return {concepts[index] for index in order[: round(HELD_OUT_CONCEPTS * len(concepts))]}


class _Captions:
    """Pictures of several concepts and their captions."""

    def __init__(self, pictures: Sequence[CaptionedPicture], prepare: Callable[[str], PreparedText]) -> None:
        self.pictures = pictures
        self._texts = [prepare(picture.caption) for picture in pictures]
        self._concepts = np.array([picture.concept for picture in pictures])

    def pairs(self, random: np.random.Generator, *, foreign: int) -> list[Pair]:
        """Each picture with its caption, and with so many of other concepts."""
        return [
            Pair(text, picture.path, related)
            for index, picture in enumerate(self.pictures)
            for text, related in (
                (self._texts[index], True),
                *((self._foreign(index, random), False) for _ in range(foreign)),
            )
        ]

    def _foreign(self, index: int, random: np.random.Generator) -> PreparedText:
        others = np.flatnonzero(self._concepts != self._concepts[index])
        return self._texts[int(random.choice(others))]
