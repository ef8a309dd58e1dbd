"""One linear layer that brings pictures to their texts, trained contrastively in seconds.

The loss is CLIP's (Radford et al. 2021): of all texts of a batch a picture must find its own, and a text its
picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from model.alignment.imagined import ImaginedClasses

_STEPS: Final = 400
_BATCH: Final = 256
_RATE: Final = 2e-3
_WEIGHT_DECAY: Final = 0.1
_DROPOUT: Final = 0.4
_TEMPERATURE: Final = 0.07
_SAME: Final = 0.9
"""Cosine from which two texts say the same: neither is a wrong answer for the other's picture."""

CONSE_WEIGHT: Final = 40.0
"""Lifts a ConSE vector, of length 1, above the pooled features beside it: dropout spares it, decay too."""

_LEAST_DEVIATION: Final = 1e-3
_NEVER: Final = -1e4


class Examples:
    """Pictures and texts that belong together.

    Attributes:
        pooled: `(captions, channels)` mean over the blocks of each captioned picture.
        captions: Their captions.
        first: How many of them, at the front, are of the directory that is measured on.
        classes: What else may be imagined over them.
        texts: Captions, then name and gloss of each class.
    """

    def __init__(
        self, pooled: Tensor, captions: Sequence[str], *, first: int, classes: ImaginedClasses | None
    ) -> None:
        self.pooled = pooled
        self.captions = captions
        self.first = first
        self.classes = classes
        of_classes = (
            [] if classes is None else [text for kind in classes.kinds for text in classes.texts(kind)]
        )
        self.texts = [*captions, *of_classes]

    def draw(self, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """A batch, a third of it imagined where that can be.

        Returns:
            Pooled features `(batch, channels)`, and which of `texts` belongs to each, `(batch,)`.
        """
        count = min(_BATCH, len(self.captions))
        real = random.integers(len(self.captions), size=count)
        if self.classes is None:
            return self.pooled[real], torch.from_numpy(real)
        grounds = self.pooled[random.integers(len(self.captions), size=count // 2)]
        chosen = random.integers(len(self.classes.kinds), size=count // 2)
        kinds = self.classes.kinds[chosen]
        imagined = self.classes.imagine(grounds[:, None].numpy(), kinds, random, least_share=1.0)[:, 0]
        texts = len(self.captions) + 2 * chosen + random.integers(2, size=len(chosen))
        return (
            torch.cat((self.pooled[real], torch.from_numpy(imagined))),
            torch.from_numpy(np.concatenate((real, texts))),
        )


def fit(examples: Examples, expand: Callable[[Tensor], Tensor], targets: Tensor, seed: int) -> nn.Linear:
    """Train the layer.

    Args:
        examples: what belongs together.
        expand: pooled features `(n, channels)` to what the layer reads, `(n, features)`.
        targets: `(texts, width)` where each of the examples' texts lies; its length says nothing.
        seed: of draws, first weights and dropout.

    Returns:
        From `features` to `width`.
    """
    random = np.random.default_rng((seed, targets.shape[1]))
    targets = functional.normalize(targets, dim=-1)
    every = expand(examples.pooled)
    centre, deviation = every.mean(dim=0), every.std(dim=0) + _LEAST_DEVIATION
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layer = nn.Linear(every.shape[1], targets.shape[1])
        optimizer = torch.optim.AdamW(layer.parameters(), lr=_RATE, weight_decay=_WEIGHT_DECAY)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _STEPS)
        for _ in range(_STEPS):
            pooled, texts = examples.draw(random)
            features = functional.dropout((expand(pooled) - centre) / deviation, _DROPOUT)
            loss = contrastive_loss(layer(features), targets[texts])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return _unstandardised(layer, centre, deviation)


def contrastive_loss(pictures: Tensor, texts: Tensor) -> Tensor:
    """Cross entropy of each picture over the texts, and of each text over the pictures.

    Args:
        pictures: `(n, width)`.
        texts: `(n, width)`, normalised, in the pictures' order.

    Returns:
        Mean of both, `()`.
    """
    own = torch.arange(len(texts))
    same = (texts @ texts.T > _SAME) & ~torch.eye(len(texts), dtype=torch.bool)
    scores = functional.normalize(pictures, dim=-1) @ texts.T / _TEMPERATURE
    scores = scores.masked_fill(same, _NEVER)
    return (functional.cross_entropy(scores, own) + functional.cross_entropy(scores.T, own)) / 2


@torch.no_grad()
def _unstandardised(layer: nn.Linear, centre: Tensor, deviation: Tensor) -> nn.Linear:
    """The layer for features as they are."""
    layer.weight.div_(deviation)
    layer.bias.sub_(layer.weight @ centre)
    return layer.requires_grad_(requires_grad=False)
