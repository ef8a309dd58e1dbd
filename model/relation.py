"""Task 1, text-image relation (paper, section 3.2), on captioned pictures.

A picture with its own caption is related; with the caption of another concept it is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from model.batch import Batch, collate
from model.data.captioned import CaptionedPicture
from model.data.gold import DatasetError
from model.gates import related
from model.pictures import decode
from model.rpbert import RpBert
from model.words import PreparedText, WordPieces

HELD_OUT: Final = 0.25
"""Share of the concepts that no training step sees."""

_MISMATCHES: Final = 5
"""Foreign captions that each held-out picture is judged with."""

_LEAST_CONCEPTS: Final = round(2 / HELD_OUT)
_BATCH: Final = 64


@dataclass(frozen=True, slots=True)
class Gallery:
    """Pictures as block regions `(n, BLOCKS, channels)`, with their captions and concepts."""

    regions: npt.NDArray[np.float16]
    captions: tuple[PreparedText, ...]
    concepts: tuple[str, ...]

    @classmethod
    def describe(cls, pictures: Sequence[CaptionedPicture], model: RpBert, pieces: WordPieces) -> Self:
        """Decode the pictures and run the backbone over them, once."""
        parts = []
        with torch.inference_mode():
            for first in range(0, len(pictures), _BATCH):
                chosen = pictures[first : first + _BATCH]
                pixels = np.stack([decode(picture.path.read_bytes()) for picture in chosen])
                parts.append(model.vision(torch.from_numpy(pixels)).half().numpy())
        return cls(
            np.concatenate(parts),
            tuple(pieces.prepare(picture.caption) for picture in pictures),
            tuple(picture.concept for picture in pictures),
        )

    def split(self, seed: int) -> tuple[Gallery, Gallery]:
        """Training and held-out pictures; a concept is in one of them, whole.

        Raises:
            DatasetError: too few concepts for a foreign caption on either side.
        """
        concepts = sorted(set(self.concepts))
        if len(concepts) < _LEAST_CONCEPTS:
            raise DatasetError(
                f"too few folders of captioned pictures, {len(concepts)}: at least {_LEAST_CONCEPTS}, "
                "so that two are held out"
            )
        order = np.random.default_rng(seed).permutation(len(concepts))
        held = {concepts[index] for index in order[: round(HELD_OUT * len(concepts))]}
        inside = [index for index, concept in enumerate(self.concepts) if concept not in held]
        outside = [index for index, concept in enumerate(self.concepts) if concept in held]
        return self._of(inside), self._of(outside)

    def _of(self, indices: Sequence[int]) -> Gallery:
        return Gallery(
            self.regions[list(indices)],
            tuple(self.captions[index] for index in indices),
            tuple(self.concepts[index] for index in indices),
        )

    def foreign(self, picture: int, random: np.random.Generator) -> PreparedText:
        """The caption of a picture of another concept."""
        others = [index for index, concept in enumerate(self.concepts) if concept != self.concepts[picture]]
        return self.captions[int(random.choice(others))]


def relation_batches(
    gallery: Gallery, size: int, random: np.random.Generator
) -> Iterator[tuple[Batch, Tensor]]:
    """Every picture once with its caption and once with a foreign one: batches and labels `(pairs,)`."""
    pairs = [
        (text, picture, label)
        for picture, caption in enumerate(gallery.captions)
        for text, label in ((caption, 1), (gallery.foreign(picture, random), 0))
    ]
    order = random.permutation(len(pairs))
    for first in range(0, len(order), size):
        chosen = [pairs[index] for index in order[first : first + size]]
        yield (
            collate(
                [text for text, _, _ in chosen],
                [[gallery.regions[picture]] for _, picture, _ in chosen],
                channels=gallery.regions.shape[2],
            ),
            torch.tensor([label for _, _, label in chosen]),
        )


@torch.inference_mode()
def relation_auc(model: RpBert, gallery: Gallery, seed: int) -> float:
    """Area under the ROC curve, own captions against foreign ones of the same gallery."""
    random = np.random.default_rng(seed)
    scores: list[float] = []
    labels: list[int] = []
    for picture, caption in enumerate(gallery.captions):
        texts = [caption, *(gallery.foreign(picture, random) for _ in range(_MISMATCHES))]
        batch = collate(texts, [[gallery.regions[picture]]] * len(texts), channels=gallery.regions.shape[2])
        scores += related(model.relate(batch)).tolist()
        labels += [1] + [0] * _MISMATCHES
    return float(roc_auc_score(labels, scores))
