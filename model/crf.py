"""Serving the linear-chain CRF: Viterbi and forward-backward over a whole batch (paper, section 3.4).

pytorch-crf holds the parameters and trains them; its `decode` asks the device for every single tag, and it
has no marginals. These two equal it and ask for nothing until the batch is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torchcrf import CRF

FORBIDDEN: Final = -1e4
"""Score in training of a transition that BIO does not have; finite, so that no gradient becomes NaN."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Scores of a linear chain: `starts` and `ends` `(tags,)`, `transitions` `(tags, tags)` from-to."""

    starts: Tensor
    ends: Tensor
    transitions: Tensor

    @classmethod
    def of(cls, crf: CRF, tags: Sequence[str]) -> Chain:
        """The chain of a trained CRF; what BIO does not have is at -inf, below any emission."""
        starts_allowed, allowed = (mask.to(crf.transitions.device) for mask in bio_masks(tags))
        return cls(
            starts=crf.start_transitions.detach().masked_fill(~starts_allowed, -torch.inf),
            ends=crf.end_transitions.detach(),
            transitions=crf.transitions.detach().masked_fill(~allowed, -torch.inf),
        )

    def double(self) -> Chain:
        """The same in fp64."""
        return Chain(self.starts.double(), self.ends.double(), self.transitions.double())


@dataclass(frozen=True, slots=True)
class Lattice:
    """Log sums over the paths of a batch.

    Attributes:
        prefixes: `(n, length, tags)` over the paths up to a tag, its own emission included.
        suffixes: `(n, length, tags)` over the paths behind a tag, its own emission left out.
        total: `(n,)` over all paths, the log partition.
    """

    prefixes: Tensor
    suffixes: Tensor
    total: Tensor


def bio_masks(tags: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Which tags may start, `(tags,)`, and which may follow which, `(tags, tags)`."""
    starts = torch.tensor([not tag.startswith("I-") for tag in tags])
    follows = torch.tensor(
        [[not tag.startswith("I-") or before[1:] == tag[1:] for tag in tags] for before in tags]
    )
    return starts, follows


def viterbi(emissions: Tensor, lengths: Tensor, chain: Chain) -> Tensor:
    """The best path of each sequence.

    Args:
        emissions: `(n, length, tags)`.
        lengths: `(n,)`, at least 1 each.
        chain: the scores between tags.

    Returns:
        `(n, length)` tag indices, 0 behind a sequence's end.
    """
    steps = emissions.shape[1]
    inside = torch.arange(steps, device=emissions.device) < lengths[:, None]
    stay = torch.arange(emissions.shape[2], device=emissions.device).expand_as(emissions[:, 0])
    scores = chain.starts + emissions[:, 0]
    pointers = []
    for step in range(1, steps):
        best, came_from = (scores[:, :, None] + chain.transitions).max(dim=1)
        here = inside[:, step, None]
        scores = torch.where(here, best + emissions[:, step], scores)
        pointers.append(torch.where(here, came_from, stay))
    tag = (scores + chain.ends).argmax(dim=1, keepdim=True)
    path = [tag]
    for came_from in reversed(pointers):
        tag = came_from.gather(1, tag)
        path.append(tag)
    return torch.cat(path[::-1], dim=1).masked_fill(~inside, 0)


def forward_backward(emissions: Tensor, lengths: Tensor, chain: Chain) -> Lattice:
    """Log sums of each sequence, in the emissions' precision.

    Args:
        emissions: `(n, length, tags)`.
        lengths: `(n,)`, at least 1 each.
        chain: the scores between tags.
    """
    steps = emissions.shape[1]
    inside = torch.arange(steps, device=emissions.device) < lengths[:, None]
    prefix = chain.starts + emissions[:, 0]
    prefixes = [prefix]
    for step in range(1, steps):
        onward = (prefix[:, :, None] + chain.transitions).logsumexp(dim=1) + emissions[:, step]
        prefix = torch.where(inside[:, step, None], onward, prefix)
        prefixes.append(prefix)
    suffix = chain.ends.expand_as(prefix)
    suffixes = [suffix]
    for step in range(steps - 1, 0, -1):
        backward = (chain.transitions + (emissions[:, step] + suffix)[:, None, :]).logsumexp(dim=2)
        suffix = torch.where(inside[:, step, None], backward, suffix)
        suffixes.append(suffix)
    return Lattice(
        prefixes=torch.stack(prefixes, dim=1),
        suffixes=torch.stack(suffixes[::-1], dim=1),
        total=(prefix + chain.ends).logsumexp(dim=1),
    )
