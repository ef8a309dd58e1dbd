"""Where the entities of a post look in its pictures: the paper's figure of visual attention, as numbers.

Serving runs fused kernels that never hold these weights; here they are computed again from what the last
layer was given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.batch import Batch
from model.config import GatePlace
from model.encoder import Layer
from model.gates import gate
from model.rpbert import RpBert
from model.unpadded import Unpadded

GRID: Final = 7
"""Rows and columns of a picture's block regions."""

Maps = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class VisualAttention:
    """Attention of a post's entities to its pictures, in the last layer of pass 2, mean over the heads.

    A block's value is its share of all that the entity attends to, words included: a map sums to the
    picture's share. An entity of several words is the mean of their first pieces.

    Attributes:
        gates: what the gate lets in of each picture, 0 to 1.
        before: `(entities, pictures, GRID, GRID)` with every picture let in whole.
        after: the same behind the gates; 0 all over where a picture is shut out.
    """

    gates: tuple[float, ...]
    before: Maps
    after: Maps


def visual_attention(model: RpBert, batch: Batch, entities: Sequence[range]) -> VisualAttention:
    """Where entities look, before and behind the network's own gate.

    Args:
        model: the network, in inference mode.
        batch: one post.
        entities: the words of each entity.
    """
    gates = gate(model.relate(batch), model.config.gate)
    before, after = (
        torch.stack([maps[list(words)].mean(dim=0) for words in entities])
        if entities
        else maps.new_zeros(0, *maps.shape[1:])
        for maps in (
            word_attention(model, batch, torch.ones_like(gates)),
            word_attention(model, batch, gates),
        )
    )
    return VisualAttention(tuple(gates.tolist()), before.cpu().numpy(), after.cpu().numpy())


def word_attention(model: RpBert, batch: Batch, gates: Tensor) -> Tensor:
    """Attention of each word's first piece to each picture behind given gates.

    Args:
        model: the network, in inference mode.
        batch: one post.
        gates: `(pictures,)`.

    Returns:
        `(words, pictures, GRID, GRID)`.
    """
    last = cast("Layer", model.encoder.layers[-1])
    given: list[tuple[Tensor, Tensor, Unpadded, Unpadded]] = []
    hook = last.register_forward_pre_hook(lambda _, arguments: given.append(arguments))
    try:
        model.read(batch, gates)
    finally:
        hook.remove()
    # Windows of one post have the same open pictures, so they were read together.
    ((rows, mask, reads, _),) = given
    hidden = reads.pad(rows)
    never_shut = model.config.gate_place is GatePlace.PROJECTION
    (attended,) = torch.nonzero(torch.ones_like(gates) if never_shut else gates, as_tuple=True)
    text = batch.ids.shape[1]
    windows, pieces = batch.places[0] // text, batch.places[0] % text
    maps = hidden.new_zeros(len(pieces), len(gates), GRID, GRID)
    # One at a time: the weights of a window are as many as its rows squared.
    for window in sorted(set(windows.tolist())):
        (words,) = torch.nonzero(windows == window, as_tuple=True)
        weights = last.attention(hidden[window, None], mask[window, None])[0].mean(dim=0)
        blocks = weights[pieces[words], text:].view(len(words), len(attended), GRID, GRID)
        maps[words[:, None], attended] = blocks
    return maps
