"""Weights on disk: one safetensors file, matrices in half precision."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save as to_bytes
from torch import Tensor, nn


def save(model: nn.Module, path: Path) -> None:
    """Write a model's state: matrices in fp16, vectors as they are.

    Vectors are a hundredth of the bytes, and some, such as running variances, lie below what fp16 holds.
    """
    state = {name: _halved(tensor) for name, tensor in model.state_dict().items()}
    # Not `save_file`, whose files only their owner may read.
    path.write_bytes(to_bytes(state))


def _halved(tensor: Tensor) -> Tensor:
    matrix = tensor.ndim > 1 and tensor.is_floating_point()
    return tensor.detach().cpu().to(torch.float16 if matrix else tensor.dtype).contiguous()
