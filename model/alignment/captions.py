"""Captioned pictures parted into what training sees and what it is measured on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from model.alignment.leakage import HeldOut
from model.alignment.sentences import SentenceVectors
from model.data.captioned import CaptionedPicture
from model.data.gold import DatasetError

HELD_OUT_CONCEPTS: Final = 0.25
"""Share of the concepts of captioned pictures that no training step sees."""

_LEAST_CONCEPTS: Final = round(2 / HELD_OUT_CONCEPTS)

_PROMINENCE: Final = 3
"""How often a picture of the first directory comes for one of the further ones."""


@dataclass(frozen=True, slots=True)
class Captions:
    """Captioned pictures of several directories.

    Attributes:
        seen: Those of the first directory that training sees.
        held_out: Those of it that only measure; their concepts are theirs alone.
        further: Those of the further directories, less what would give the held-out ones away. Each caption
            is a concept of its own: their folders say little, all emoji lie in one.
        left_out: How many would have.
    """

    seen: tuple[CaptionedPicture, ...]
    held_out: tuple[CaptionedPicture, ...]
    further: tuple[CaptionedPicture, ...] = ()
    left_out: int = 0

    @classmethod
    def part(
        cls,
        first: Sequence[CaptionedPicture],
        further: Sequence[CaptionedPicture],
        sentences: SentenceVectors,
        seed: int,
    ) -> Captions:
        """Hold a quarter of the first directory's concepts out, and choose what else can be trained on.

        Raises:
            DatasetError: the first directory has too few concepts.
        """
        held = _some_concepts(first, seed)
        held_out = tuple(picture for picture in first if picture.concept in held)
        kept: list[CaptionedPicture] = []
        if further:
            leaks = HeldOut(held_out, sentences).given_away_by([picture.caption for picture in further])
            kept = [picture for picture, leak in zip(further, leaks, strict=True) if not leak]
        return cls(
            seen=tuple(picture for picture in first if picture.concept not in held),
            held_out=held_out,
            further=tuple(
                dataclasses.replace(picture, concept=f"caption: {picture.caption}") for picture in kept
            ),
            left_out=len(further) - len(kept),
        )

    @property
    def trained(self) -> tuple[CaptionedPicture, ...]:
        """As an epoch meets them: the first directory's come first, and three times if there are others."""
        return self.seen * (_PROMINENCE if self.further else 1) + self.further


def _some_concepts(pictures: Sequence[CaptionedPicture], seed: int) -> set[str]:
    concepts = sorted({picture.concept for picture in pictures})
    if len(concepts) < _LEAST_CONCEPTS:
        raise DatasetError(
            f"too few folders of captioned pictures, {len(concepts)}: at least {_LEAST_CONCEPTS} "
            "in the first --captioned-pictures, so that two are held out"
        )
    order = np.random.default_rng(seed).permutation(len(concepts))
    return {concepts[index] for index in order[: round(HELD_OUT_CONCEPTS * len(concepts))]}
