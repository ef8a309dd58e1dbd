"""What an ImageNet classifier would call a picture, in vectors of words (ConSE, Norouzi et al. 2014)."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

CLASSES: Final = 1000

NAME_WIDTH: Final = 384
"""Of all-MiniLM's sentence vectors, which the names of the classes are given as."""

_TOP: Final = 10


def conse(scores: Tensor, names: Tensor) -> Tensor:
    """Mean of the vectors of the ten likeliest class names, weighted by their probability.

    Args:
        scores: `(n, CLASSES)` a classifier's logits.
        names: `(CLASSES, width)` vectors of the class names.

    Returns:
        Normalised, `(n, width)`.
    """
    best = scores.softmax(dim=-1).topk(_TOP, dim=-1)
    return functional.normalize((best.values[..., None] * names[best.indices]).sum(dim=1), dim=-1)


class Recognition(nn.Module):
    """What is added to every projected block of a picture, for what the whole of it is called.

    The classifier is ImageNet's, cut down to a rank; it and the names stay as they are, how they are widened
    is trained. Begins at 0, as if it were not there.
    """

    names: Tensor

    def __init__(self, channels: int, hidden: int, rank: int) -> None:
        super().__init__()
        self.reduce = nn.Linear(channels, rank, bias=False).requires_grad_(requires_grad=False)
        self.classify = nn.Linear(rank, CLASSES).requires_grad_(requires_grad=False)
        self.register_buffer("names", torch.zeros(CLASSES, NAME_WIDTH))
        self.widen = nn.Linear(NAME_WIDTH, hidden, bias=False)
        nn.init.zeros_(self.widen.weight)

    def name(self, pooled: Tensor) -> Tensor:
        """ConSE vectors, `(n, channels)` mean over a picture's blocks to `(n, NAME_WIDTH)`."""
        # The softmax of a thousand classes is not for half precision.
        with torch.autocast(pooled.device.type, enabled=False):
            return conse(self.classify(self.reduce(pooled.float())), self.names)

    def forward(self, regions: Tensor) -> Tensor:
        """Block regions `(n, blocks, channels)` to what each picture's blocks are given, `(n, 1, hidden)`."""
        widened: Tensor = self.widen(self.name(regions.mean(dim=1)))
        return widened[:, None]

    @torch.no_grad()
    def learn(self, classifier: nn.Linear, names: Tensor, pooled: Tensor) -> None:
        """Take over a classifier, as well as its rank allows on such pictures, and the names of its classes.

        Args:
            classifier: `(n, channels)` to `(n, CLASSES)`.
            names: `(CLASSES, NAME_WIDTH)`.
            pooled: `(pictures, channels)` mean over the blocks of some pictures.
        """
        centre, weight = pooled.mean(dim=0), classifier.weight - classifier.weight.mean(dim=0)
        spread = torch.cov(pooled.T)
        # The best rank where pictures lie is that of the scores' own spread (reduced-rank regression).
        _, directions = torch.linalg.eigh(weight @ spread @ weight.T)
        best = directions[:, -self.classify.in_features :]
        self.reduce.weight.copy_(best.T @ weight)
        self.classify.weight.copy_(best)
        # What is cut off is its mean instead.
        rest = weight - best @ best.T @ weight
        self.classify.bias.copy_(classifier.bias + rest @ centre)
        self.names.copy_(names)
