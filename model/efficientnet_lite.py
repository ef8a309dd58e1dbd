"""EfficientNet-Lite0 without its classifier (Tan and Le 2019; Google's `lite` variants: no squeeze, ReLU6).

Timm has it too, and brings torchvision and torch's compiler along: nearly half of what a worker did between a
kill and its next result was to import those. A test holds this one equal to timm's, names and bits.
"""

from __future__ import annotations

import math
from itertools import starmap
from typing import Final

from torch import Tensor, nn
from torch.nn import functional

# As TensorFlow trained it.
_NORM_EPS: Final = 1e-3
_STEM: Final = 32
_FEATURES: Final = 1280
_EXPANSION: Final = 6
# Of each stage behind the first: blocks, kernel, stride of its first block, channels.
_STAGES: Final = (
    (2, 3, 2, 24),
    (2, 5, 2, 40),
    (3, 3, 2, 80),
    (3, 5, 1, 112),
    (4, 5, 2, 192),
    (1, 3, 1, 320),
)


class EfficientNetLite0(nn.Module):
    """Pictures `(n, 3, h, w)`, both sides a multiple of 32, to a map `(n, 1280, h / 32, w / 32)`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = _Convolution(3, _STEM, kernel=3, stride=2)
        self.bn1, self.act1 = _norm(_STEM), _relu6()
        stages = [nn.Sequential(_SeparableBlock(_STEM, 16, kernel=3))]
        channels = 16
        for blocks, kernel, stride, width in _STAGES:
            shapes = [(channels, width, kernel, stride), *[(width, width, kernel, 1)] * (blocks - 1)]
            stages.append(nn.Sequential(*starmap(_InvertedBlock, shapes)))
            channels = width
        self.blocks = nn.Sequential(*stages)
        self.conv_head = _Convolution(channels, _FEATURES)
        self.bn2, self.act2 = _norm(_FEATURES), _relu6()
        for module in self.modules():
            if isinstance(module, _Convolution):
                module.draw()

    def forward(self, pixels: Tensor) -> Tensor:
        """The map of the last stage."""
        hidden = self.blocks(self.act1(self.bn1(self.conv_stem(pixels))))
        grid: Tensor = self.act2(self.bn2(self.conv_head(hidden)))
        return grid


class _SeparableBlock(nn.Module):
    """Depthwise, then across the channels."""

    def __init__(self, channels: int, width: int, kernel: int) -> None:
        super().__init__()
        self.conv_dw = _Convolution(channels, channels, kernel=kernel, groups=channels)
        self.bn1, self.act1 = _norm(channels), _relu6()
        self.conv_pw = _Convolution(channels, width)
        self.bn2 = _norm(width)

    def forward(self, hidden: Tensor) -> Tensor:
        narrow: Tensor = self.bn2(self.conv_pw(self.act1(self.bn1(self.conv_dw(hidden)))))
        return narrow


class _InvertedBlock(nn.Module):
    """Widened, depthwise, narrowed again; added to its input where the shape stays."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = _EXPANSION * channels
        self.conv_pw = _Convolution(channels, wide)
        self.bn1, self.act1 = _norm(wide), _relu6()
        self.conv_dw = _Convolution(wide, wide, kernel=kernel, stride=stride, groups=wide)
        self.bn2, self.act2 = _norm(wide), _relu6()
        self.conv_pwl = _Convolution(wide, width)
        self.bn3 = _norm(width)
        self._adds = channels == width and stride == 1

    def forward(self, hidden: Tensor) -> Tensor:
        hidden_wide = self.act1(self.bn1(self.conv_pw(hidden)))
        wide = self.act2(self.bn2(self.conv_dw(hidden_wide)))
        narrow: Tensor = self.bn3(self.conv_pwl(wide))
        return narrow + hidden if self._adds else narrow


class _Convolution(nn.Conv2d):
    """A convolution padded as TensorFlow pads even maps: at stride 2 one more below and right than above.

    Attributes:
        around: rows and columns of zeros left, right, above and below; None where `padding` says it.
    """

    def __init__(
        self, channels: int, width: int, *, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        uneven = stride > 1
        padding = 0 if uneven else (kernel - 1) // 2
        super().__init__(channels, width, kernel, stride, padding, groups=groups, bias=False)
        before, after = (kernel - stride) // 2, (kernel - stride + 1) // 2
        self.around: Final = (before, after, before, after) if uneven else None

    def draw(self) -> None:
        """Random weights, as the network's authors begin: by the fan out of a group."""
        fan_out = self.kernel_size[0] * self.kernel_size[1] * self.out_channels // self.groups
        nn.init.normal_(self.weight, 0, math.sqrt(2 / fan_out))

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name for it
        return super().forward(input if self.around is None else functional.pad(input, self.around))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_NORM_EPS)


def _relu6() -> nn.ReLU6:
    return nn.ReLU6(inplace=True)
