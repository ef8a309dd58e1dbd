"""A teacher for the relation head (knowledge distillation, Hinton et al. 2015).

A dual encoder: one linear layer takes a picture to where all-MiniLM puts its text. It has seen no more pairs
than the head, but stands on a sentence encoder and a classifier that have seen far more; and it knows that
a foreign caption may well fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn import functional

from model.alignment.contrast import CONSE_WEIGHT, Examples, fit
from model.alignment.imagined import class_names
from model.alignment.sentences import SentenceVectors
from model.recognition import conse

_HUMILITY: Final = 0.7
"""On pairs that it was fitted on the teacher is surer than it may be elsewhere."""

_HARDLY_REGULARISED: Final = 100.0


class Teacher:
    """P(related) of a picture and a text.

    Args:
        examples: what to learn from.
        classifier: ImageNet's, over the backbone.
        sentences: all-MiniLM's vectors.
        seed: of the fit.
    """

    def __init__(
        self, examples: Examples, classifier: nn.Linear, sentences: SentenceVectors, seed: int
    ) -> None:
        self._classifier = classifier
        self._sentences = sentences
        self._names = sentences.of(class_names())
        self._layer = fit(examples, self._features, sentences.of(examples.texts), seed)
        self._slope, self._offset = self._calibrated(examples, seed)

    def probability(self, pooled: npt.NDArray[np.float32], texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """P(related) of each picture and the text beside it.

        Args:
            pooled: `(n, channels)` mean over a picture's blocks.
            texts: of each.

        Returns:
            `(n,)`.
        """
        cosine = self._cosine(torch.from_numpy(pooled), texts)
        likely: npt.NDArray[np.float32] = (self._slope * cosine + self._offset).sigmoid().numpy()
        return likely

    def vectors(self, pooled: npt.NDArray[np.float32], texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Where it puts texts and pictures; related ones lie in about the same direction.

        Args:
            pooled: `(n, channels)` mean over a picture's blocks.
            texts: of each.

        Returns:
            `(n, NAME_WIDTH)` each.
        """
        return self._sentences.of(texts), self._layer(self._features(torch.from_numpy(pooled)))

    @torch.no_grad()
    def _features(self, pooled: Tensor) -> Tensor:
        return torch.cat((pooled, CONSE_WEIGHT * conse(self._classifier(pooled), self._names)), dim=1)

    def _cosine(self, pooled: Tensor, texts: Sequence[str]) -> Tensor:
        pictures: Tensor = self._layer(self._features(pooled))
        return functional.cosine_similarity(pictures, self._sentences.of(texts))

    def _calibrated(self, examples: Examples, seed: int) -> tuple[float, float]:
        """Slope and offset of the cosine, of own captions against random ones."""
        pooled, captions = examples.pooled[: examples.first], examples.captions[: examples.first]
        others = np.random.default_rng(seed).integers(len(captions), size=len(captions))
        own, foreign = (
            self._cosine(pooled, texts) for texts in (captions, [captions[index] for index in others])
        )
        regression = LogisticRegression(C=_HARDLY_REGULARISED)
        related = np.repeat((1, 0), len(captions))
        regression.fit(torch.cat((own, foreign)).numpy()[:, None], related)
        return _HUMILITY * float(regression.coef_[0, 0]), _HUMILITY * float(regression.intercept_[0])
