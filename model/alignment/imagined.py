"""Pictures that nobody took: what an ImageNet classifier looks for in a class, laid over a real picture.

A classifier's weight row is the direction in which a picture becomes one of its class. So a thousand things
have pictures, and what they are called, and no photograph is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from timm.data.imagenet_info import ImageNetInfo
from torch import nn

from model.recognition import CLASSES

_STRENGTH: Final = 3.0
"""Lengths of the weight row that are added, times 0.5 to 1.5; tried on EfficientNet-Lite0."""

_LEAST_SHARE: Final = 0.3
"""Share of the blocks that show the class at least."""


def class_names() -> list[str]:
    """What ImageNet's 1000 classes are called."""
    info = ImageNetInfo()
    return [str(info.index_to_description(index)) for index in range(CLASSES)]


def class_glosses() -> list[str]:
    """The same with what WordNet says of each."""
    info = ImageNetInfo()
    return [str(info.index_to_description(index, detailed=True)) for index in range(CLASSES)]


class ImaginedClasses:
    """ImageNet classes that may be imagined.

    Attributes:
        kinds: `(kinds,)` which classes.
    """

    def __init__(self, classifier: nn.Linear, kinds: Sequence[int]) -> None:
        self.kinds = np.array(kinds, np.int64)
        self._names, self._glosses = class_names(), class_glosses()
        weight = classifier.weight.detach()
        # What all classes share says nothing about one.
        self._directions: npt.NDArray[np.float32] = (weight - weight.mean(dim=0)).numpy()

    def texts(self, kind: int) -> tuple[str, str]:
        """A class's name, and its name with its gloss."""
        return self._names[kind], self._glosses[kind]

    def imagine(
        self,
        regions: npt.NDArray[np.floating],
        kinds: npt.NDArray[np.int64],
        random: np.random.Generator,
        *,
        least_share: float = _LEAST_SHARE,
    ) -> npt.NDArray[np.float32]:
        """Dim each picture and lay a class over a random share of its blocks.

        Args:
            regions: `(n, blocks, channels)` of real pictures.
            kinds: `(n,)` classes.
            random: draws how dim, how strong and which blocks.
            least_share: of the blocks that show the class; 1 for all.

        Returns:
            `(n, blocks, channels)`, not below 0, as no region is.
        """
        n, blocks, _ = regions.shape
        dim, strength, share = random.random((3, n, 1, 1), dtype=np.float32)
        shows = random.random((n, blocks, 1), dtype=np.float32) < least_share + (1 - least_share) * share
        added = _STRENGTH * (0.5 + strength) * shows * self._directions[kinds][:, None]
        imagined: npt.NDArray[np.float32] = np.maximum(dim * regions.astype(np.float32) + added, 0)
        return imagined
