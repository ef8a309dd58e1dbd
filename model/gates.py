"""The relation score as a gate on the visual blocks (paper, section 3.3)."""

from __future__ import annotations

from typing import Final

from torch import Tensor
from torch.nn import functional

from model.config import GateKind

RELATED: Final = 1
"""Class of the relation head that means "related"; 0 is "unrelated"."""


def related(logits: Tensor) -> Tensor:
    """P(related) of relation logits: `(..., 2)` to `(...)`."""
    return logits.softmax(dim=-1)[..., RELATED]


def soft(logits: Tensor) -> Tensor:
    """The probability itself."""
    return related(logits)


def straight_through(logits: Tensor) -> Tensor:
    """`[P(related) > 0.5]` forward, the identity backward (Bengio et al. 2013)."""
    probability = related(logits)
    hard = (logits.argmax(dim=-1) == RELATED).to(probability.dtype)
    return hard + (probability - probability.detach())


def gumbel(logits: Tensor, temperature: float) -> Tensor:
    """A Gumbel-Softmax sample of "related" (Jang et al. 2017); near one-hot as `temperature` falls."""
    return functional.gumbel_softmax(logits, tau=temperature, dim=-1)[..., RELATED]


def gate(logits: Tensor, kind: GateKind, *, temperature: float | None = None) -> Tensor:
    """Gate of each picture from its relation logits: `(..., 2)` to `(...)`, in 0-1.

    Args:
        logits: relation logits.
        kind: which gate.
        temperature: of the Gumbel gate while training; none at inference, which takes the argmax.
    """
    match kind:
        case GateKind.SOFT:
            return soft(logits)
        case GateKind.OFF:
            return logits.new_ones(logits.shape[:-1])
        case GateKind.GUMBEL if temperature is not None:
            return gumbel(logits, temperature)
        case _:
            return straight_through(logits)
