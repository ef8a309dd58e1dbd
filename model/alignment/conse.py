"""A picture as the names of what an ImageNet classifier sees in it (ConSE, Norouzi et al. 2014)."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

_TOP: Final = 10


@torch.no_grad()
def conse(pooled: Tensor, classifier: nn.Linear, names: Tensor) -> Tensor:
    """Mean of the vectors of the ten likeliest class names, weighted by their probability.

    Args:
        pooled: `(n, channels)` mean over a picture's blocks.
        classifier: ImageNet's, over the backbone.
        names: `(1000, width)` vectors of the class names.

    Returns:
        Normalised, `(n, width)`.
    """
    best = classifier(pooled).softmax(dim=-1).topk(_TOP, dim=-1)
    return functional.normalize((best.values[..., None] * names[best.indices]).sum(dim=1), dim=-1)
