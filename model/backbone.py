"""The vision backbone: pictures to block regions (paper, section 3.1).

A 7x7 grid of the last stage, not detected objects: where picture and text are unrelated, detected objects
mislead more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from model.config import VisionConfig
from model.efficientnet_lite import EfficientNetLite0
from model.packed import pack_convolutions

_BYTE: Final = 255.0


def _resnet(name: str) -> nn.Module:
    # Imported by who needs it: it brings torch's compiler along, which takes seconds.
    from torchvision import models  # type: ignore[import-untyped]  # noqa: PLC0415

    network = models.get_model(name)
    # Without its pooling and classifier, what is left is the map of the last stage.
    del network.avgpool, network.fc
    stages = dict(network.named_children())
    return nn.Sequential(*(stages[name] for name in stages))


_NETWORKS: Final[dict[str, Callable[[], nn.Module]]] = {
    "resnet152": partial(_resnet, "resnet152"),
    "resnet101": partial(_resnet, "resnet101"),
    "efficientnet_lite0": EfficientNetLite0,
}


class Backbone(nn.Module):
    """A convolutional network without its classifier, its input scaling included."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.name = config.backbone
        self._product_type = torch.float32
        self.network = _NETWORKS[config.backbone]().to(memory_format=torch.channels_last)
        for name, values in (("mean", config.mean), ("std", config.std)):
            self.register_buffer(name, _BYTE * torch.tensor(values)[:, None, None], persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Block regions of RGB pictures: uint8 `(n, 224, 224, 3)` to `(n, BLOCKS, channels)`."""
        # A permuted view of interleaved pixels is channels-last already.
        scaled = (pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std
        grid: Tensor = self.network(scaled.to(self._product_type))
        return grid.flatten(2).transpose(1, 2)

    def fold_norms(self) -> None:
        """Put each batch norm into the convolution before it (Jacob et al. 2018), for good; to serve only.

        A pass over every map less: the same features but for rounding.
        """
        _fold_norms(self.network)
        self.network.to(memory_format=torch.channels_last)

    def use_products_in(self, dtype: torch.dtype) -> None:
        """Run the convolutions in `dtype`; norms keep fp32."""
        self._product_type = dtype
        for module in self.network.modules():
            if isinstance(module, nn.Conv2d):
                module.to(dtype)

    def pack(self) -> None:
        """Lay the convolutions out for a CPU, for good; to serve only, behind `fold_norms`."""
        pack_convolutions(self.network)

    def digest(self) -> str:
        """SHA-256 over name and weights: what a cached feature of this backbone is keyed by."""
        state = hashlib.sha256(self.name.encode())
        for name, tensor in sorted(self.state_dict().items()):
            state.update(name.encode())
            state.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return state.hexdigest()


def _fold_norms(module: nn.Module) -> None:
    before: tuple[str, nn.Module] | None = None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d) and before is not None and isinstance(before[1], nn.Conv2d):
            setattr(module, before[0], fuse_conv_bn_eval(before[1], child))
            # timm's norm has the activation in it.
            setattr(module, name, getattr(child, "act", nn.Identity()))
        else:
            _fold_norms(child)
        before = name, child
