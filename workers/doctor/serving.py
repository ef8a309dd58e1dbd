"""Device and release: what the network runs on, and what it is."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from fsspec.callbacks import Callback

from model.device import DeviceError, pick_device
from workers.doctor.finding import Check, Finding, fail, ok, warn
from workers.errors import SetupError
from workers.settings import ModelSettings
from workers.tagger.process import load_tagger

_NVIDIA: Final = Path("/dev/nvidia0")


def device(settings: ModelSettings) -> Finding:
    """Where the network would run."""
    try:
        picked = pick_device(settings.device)
    except DeviceError as error:
        return fail(Check.DEVICE, str(error), "correct --device, or install the driver of the GPU")
    if picked.type == "cuda":
        seen = torch.cuda.get_device_properties(picked)
        return ok(Check.DEVICE, f"{picked}: {seen.name}, {seen.total_memory / 2**30:.0f} GiB")
    if _NVIDIA.exists() and settings.device == "auto":
        return warn(
            Check.DEVICE,
            "there is an NVIDIA GPU, and PyTorch can't use it: the CPU would do the work",
            f"install a driver for CUDA {torch.version.cuda}, or give the container the GPU",
        )
    return ok(Check.DEVICE, f"{picked}, {torch.get_num_threads()} threads")


def release(settings: ModelSettings, progress: Callback) -> Finding:
    """Whether the release is there, is whole, and loads; `progress` is told how far it is."""
    try:
        tagger = load_tagger(settings, progress=progress)
    except SetupError as error:
        return fail(Check.RELEASE, str(error), "correct --release, or publish one: `rpbert releases --help`")
    return ok(Check.RELEASE, f"{tagger.name}/{tagger.version} is whole and loads")
