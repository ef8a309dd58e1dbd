"""Sequences of unequal length, their rows one behind the other: nothing is computed for padding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import torch
from torch import Tensor

_WORTHWHILE: Final = 0.92
"""Share of rows among places above which moving rows would cost more than computing the padding."""


@dataclass(frozen=True, slots=True)
class Unpadded:
    """Where the rows of `(n, length)` places stand once those that are padding are left out.

    Products, norms and activations take each row by itself and get them so; attention, which needs to know
    what stands together, gets them padded again (as flash-attention's `unpad_input` and `pad_input`).

    Attributes:
        shape: `(n, length)`.
        places: `(rows,)` where in the flattened places each row stands; None where all places are rows.
        rows: `(n x length,)` the row that stands at each place, any row at one of padding; None likewise.
    """

    shape: tuple[int, int]
    places: Tensor | None
    rows: Tensor | None

    @classmethod
    def of(cls, present: Tensor) -> Self:
        """Leave out what is false in `present`, `(n, length)`."""
        n, length = present.shape
        places = present.flatten().nonzero()[:, 0]
        if len(places) >= _WORTHWHILE * n * length:
            return cls((n, length), None, None)
        rows = torch.zeros(n * length, dtype=torch.long, device=places.device)
        rows[places] = torch.arange(len(places), device=places.device)
        return cls((n, length), places, rows)

    def take(self, padded: Tensor) -> Tensor:
        """`(n, length, width)` to `(rows, width)`."""
        flat = padded.flatten(0, 1)
        return flat if self.places is None else flat[self.places]

    def pad(self, rows: Tensor) -> Tensor:
        """`(rows, width)` to `(n, length, width)`; what stands at a place of padding means nothing."""
        padded = rows if self.rows is None else rows[self.rows]
        return padded.view(*self.shape, rows.shape[1])
