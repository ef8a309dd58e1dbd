"""Task 1, text-image relation (paper, section 3.2): pairs of a text and a picture, related or not.

Some pairs are kept from training, to measure what was learnt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from model.alignment.captions import Captions
from model.alignment.imagined import ImaginedClasses
from model.data.captioned import CaptionedPicture
from model.words import PreparedText

HELD_OUT_PAIRS: Final = 0.1
"""Share of labelled pairs that no training step sees."""

_MISMATCHES: Final = 5
"""Foreign captions that each held-out picture is judged with."""

_FOREIGN_CAPTIONS: Final = 0.35
"""Share of the foreign texts of imagined pictures that are captions; the rest are of other classes."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A text, a picture, and whether they are related.

    Attributes:
        text: The text.
        picture: The picture.
        related: The label.
        kind: ImageNet class that is to be imagined over the picture; None shows it as it is.
        by_people: Whether people gave the label. Where not, own texts count as related and foreign ones as
            not, which a teacher may know better.
    """

    text: PreparedText
    picture: Path
    related: bool
    kind: int | None = None
    by_people: bool = False


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
    """Pictures, each once with its own caption and once with that of another concept.

    A concept of the first directory is trained on or held out, whole; its pictures come three times for one
    of the further directories.

    Args:
        captions: the pictures.
        prepare: cuts a text.
        seed: of the held-out pairs.
        most: pictures of an epoch at most; the others' turn comes in other epochs.
    """

    def __init__(
        self, captions: Captions, prepare: Callable[[str], PreparedText], seed: int, most: int
    ) -> None:
        self.name = "captioned pictures"
        self._trained = _Captions(captions.trained, prepare)
        self._count = min(most, len(self._trained.pictures))
        self.pictures = tuple(each.path for each in (*captions.seen, *captions.further))
        outside = _Captions(captions.held_out, prepare)
        everything = range(len(outside.pictures))
        self.held_out = tuple(outside.pairs(everything, np.random.default_rng(seed), foreign=_MISMATCHES))

    def __len__(self) -> int:
        return 2 * self._count

    def draw(self, random: np.random.Generator, /) -> list[Pair]:
        """Each picture twice; pictures and foreign captions are drawn anew."""
        chosen = random.permutation(len(self._trained.pictures))[: self._count]
        return self._trained.pairs(chosen.tolist(), random, foreign=1)


class _Captions:
    """Pictures of several concepts and their captions."""

    def __init__(self, pictures: Sequence[CaptionedPicture], prepare: Callable[[str], PreparedText]) -> None:
        self.pictures = pictures
        self._texts = [prepare(picture.caption) for picture in pictures]
        numbers: dict[str, int] = {}
        self._concepts = np.array([numbers.setdefault(each.concept, len(numbers)) for each in pictures])

    def pairs(self, chosen: Sequence[int], random: np.random.Generator, *, foreign: int) -> list[Pair]:
        """Each chosen picture with its caption, and with so many of other concepts."""
        return [
            Pair(text, self.pictures[index].path, related)
            for index in chosen
            for text, related in (
                (self._texts[index], True),
                *((self._foreign(index, random), False) for _ in range(foreign)),
            )
        ]

    def _foreign(self, index: int, random: np.random.Generator) -> PreparedText:
        others = np.flatnonzero(self._concepts != self._concepts[index])
        return self._texts[int(random.choice(others))]


class ImaginedPairs:
    """Pictures of ImageNet classes that nobody took, half of them with a text of their class.

    The others have a text of another class, or the caption of some picture.

    Args:
        classes: what may be imagined.
        captions: pictures to lay it over, and foreign captions.
        prepare: cuts a text.
        count: pairs of an epoch.
    """

    held_out: tuple[Pair, ...] = ()
    pictures: tuple[Path, ...] = ()

    def __init__(
        self,
        classes: ImaginedClasses,
        captions: Captions,
        prepare: Callable[[str], PreparedText],
        count: int,
    ) -> None:
        self.name = "imagined pictures"
        self._count = count
        self._kinds = classes.kinds
        self._of_kind = [tuple(map(prepare, classes.texts(kind))) for kind in classes.kinds]
        self._grounds = [each.path for each in captions.trained]
        self._captions = [prepare(each.caption) for each in captions.trained]

    def __len__(self) -> int:
        return self._count

    def draw(self, random: np.random.Generator, /) -> list[Pair]:
        """So many, drawn anew."""
        return [self._pair(index % 2 == 0, random) for index in range(self._count)]

    def _pair(self, related: bool, random: np.random.Generator) -> Pair:
        kind = int(random.integers(len(self._kinds)))
        ground = self._grounds[random.integers(len(self._grounds))]
        if related:
            text = self._text(kind, random)
        elif random.random() < _FOREIGN_CAPTIONS:
            text = self._captions[random.integers(len(self._captions))]
        else:
            other = (kind + 1 + int(random.integers(len(self._kinds) - 1))) % len(self._kinds)
            text = self._text(other, random)
        return Pair(text, ground, related, kind=int(self._kinds[kind]))

    def _text(self, kind: int, random: np.random.Generator) -> PreparedText:
        return self._of_kind[kind][random.integers(2)]
