"""Products whose weights are laid out once, with what follows each in the same step; on a CPU, to serve only.

oneDNN applies an activation or adds a residual while a result is still in its registers and, in bf16, before
it is rounded. The operators are those that torch's compiler emits for it (`torch/_inductor/mkldnn_ir.py`);
called directly they need no C++ compiler where a worker runs. `docs/speed.md` has what each gained.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    # At run time torchvision comes only with a network of its own: it takes seconds to import.
    from torchvision.models.resnet import Bottleneck  # type: ignore[import-untyped]

_GELU: Final = ("gelu", "none")
_NO_ACTIVATION: Final = ("none", "")
# ReLU6 to oneDNN is a line cut off at both ends.
_ACTIVATIONS: Final[Mapping[type, tuple[str, list[float]]]] = {
    NoneType: ("none", []),
    nn.Identity: ("none", []),
    nn.ReLU: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
}
# What the layouts are chosen for, in rows and pictures; others run as well.
_ROWS: Final = 1_024
_PICTURES: Final = 8


def can_pack() -> bool:
    """Whether this torch has oneDNN and its operators."""
    built_in: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return built_in and hasattr(torch.ops.mkldnn, "_linear_pointwise")


class PackedLinear(nn.Module):
    """`nn.Linear`, and GELU of it if asked for: `(..., in)` to `(..., out)`."""

    def __init__(self, linear: nn.Linear, *, gelu: bool = False) -> None:
        super().__init__()
        # Opaque: it has a dtype and no elements. No parameter, for it is not to be saved.
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.data, _ROWS)  # noqa: SLF001 - see above
        self._bias = linear.bias.data
        self._activation, self._algorithm = _GELU if gelu else _NO_ACTIVATION

    def forward(self, rows: Tensor) -> Tensor:
        """Rows in the weight's dtype."""
        product: Tensor = torch.ops.mkldnn._linear_pointwise(  # noqa: SLF001
            rows, self.weight, self._bias, self._activation, [], self._algorithm
        )
        return product


class PackedConvolution(nn.Module):
    """`nn.Conv2d`, and ReLU or ReLU6 of it if asked for: maps `(n, channels, h, w)`, channels-last."""

    def __init__(self, convolution: nn.Conv2d, activation: nn.Module | None = None) -> None:
        super().__init__()
        self._weight, self._bias = convolution.weight.data, convolution.bias
        self._laid_out = False
        self._shape = (
            _numbers(convolution.padding),
            list(convolution.stride),
            list(convolution.dilation),
            convolution.groups,
        )
        # Zeros around the maps that differ from side to side, which oneDNN's operator can't be told of.
        self._around: tuple[int, ...] | None = getattr(convolution, "around", None)
        self._activation, self._scalars = _ACTIVATIONS[type(activation)]

    def forward(self, maps: Tensor) -> Tensor:
        """Maps in the weight's dtype."""
        convolved: Tensor = torch.ops.mkldnn._convolution_pointwise(  # noqa: SLF001
            *self._operands(maps), self._activation, self._scalars, None
        )
        return convolved

    def onto(self, residual: Tensor, maps: Tensor) -> Tensor:
        """ReLU of the convolution of `maps` plus `residual`, which is overwritten."""
        summed: Tensor = torch.ops.mkldnn._convolution_pointwise_.binary(
            residual, *self._operands(maps), "add", 1.0, "relu", [], None
        )
        return summed

    def _operands(self, maps: Tensor) -> tuple[Any, ...]:
        if self._around is not None:
            maps = functional.pad(maps, self._around)
        if not self._laid_out:
            # Only now are the sides of the maps known, and the best layout depends on them.
            self._weight = torch.ops.mkldnn._reorder_convolution_weight(  # noqa: SLF001
                self._weight, *self._shape, [_PICTURES, *maps.shape[1:]]
            )
            self._laid_out = True
        return (maps, self._weight, self._bias, *self._shape)


class PackedBottleneck(nn.Module):
    """torchvision's block of ResNet-50 and deeper, its norms folded: three steps, and its sum in the last."""

    def __init__(self, block: Bottleneck) -> None:
        super().__init__()
        self._narrow = PackedConvolution(block.conv1, block.relu)
        self._middle = PackedConvolution(block.conv2, block.relu)
        self._wide = PackedConvolution(block.conv3)
        self._shortcut = None if block.downsample is None else PackedConvolution(block.downsample[0])

    def forward(self, maps: Tensor) -> Tensor:
        """The block's maps; `maps` may be overwritten."""
        hidden = self._middle(self._narrow(maps))
        return self._wide.onto(maps if self._shortcut is None else self._shortcut(maps), hidden)


def pack_convolutions(module: nn.Module) -> None:
    """Pack all convolutions of a network whose batch norms are folded, each with the activation behind it."""
    children = list(module.named_children())
    for place, (name, child) in enumerate(children):
        if type(child).__name__ == "Bottleneck":
            setattr(module, name, PackedBottleneck(child))
        elif isinstance(child, nn.Conv2d):
            # Between the two is what is left of the norm.
            behind, activation = children[place + 2] if place + 2 < len(children) else ("", None)
            follows = isinstance(activation, nn.ReLU | nn.ReLU6)
            setattr(module, name, PackedConvolution(child, activation if follows else None))
            if follows:
                setattr(module, behind, nn.Identity())
        else:
            pack_convolutions(child)


def _numbers(padding: str | tuple[int, ...]) -> list[int]:
    if isinstance(padding, str):
        raise TypeError(f"padding {padding!r} is no numbers of rows and columns")
    return list(padding)
