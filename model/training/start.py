"""The network that a run starts from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from tokenizers import Tokenizer

from model import conse, pretrained
from model.config import PRESETS, RpBertConfig
from model.release import load_release
from model.rpbert import RpBert
from model.training.pictures import Pictures, describe_with
from model.training.settings import TrainingSettings

_ENOUGH_PICTURES: Final = 1000
"""For centre and scale of the projection."""


def start(settings: TrainingSettings) -> tuple[RpBert, Tokenizer]:
    """The network with its first weights, and its word pieces; the vision frozen or not.

    Raises:
        ReleaseError: the release to start from can't be used.
        WeightsError: the weights to start from can't be had.
    """
    torch.manual_seed(settings.seed)
    if settings.initial_release is not None:
        release = load_release(settings.initial_release)
        model, tokenizer = release.model, release.tokenizer
        model.config = _with_gate(model.config, settings)
    else:
        config = _with_gate(PRESETS[settings.network], settings)
        if settings.untrained:
            model, tokenizer = pretrained.untrained(config)
        else:
            model, tokenizer = pretrained.start(
                config, bert=settings.encoder, backbone=settings.backbone_weights
            )
    model.vision.requires_grad_(requires_grad=settings.vision == "tuned")
    return model, tokenizer


def guess_projection(
    settings: TrainingSettings,
    model: RpBert,
    tokenizer: Tokenizer,
    pictures: Pictures,
    seen: Sequence[Path],
) -> None:
    """Set the projection's first weights by ConSE, where that is wanted and can be: see `conse`.

    Args:
        settings: of the run.
        model: whose projection is set.
        tokenizer: its word pieces.
        pictures: where the pictures are.
        seen: those that training may see.
    """
    given = settings.untrained or settings.initial_release is not None
    if settings.projection == "random" or given or not seen:
        return
    device = model.project.weight.device
    few = np.random.default_rng(settings.seed).permutation(len(seen))[:_ENOUGH_PICTURES]

    describe = describe_with(model.vision, device)
    regions = pictures.regions([seen[index] for index in few], describe)
    weight = pretrained.classifier(model.config, settings.backbone_weights)
    conse.fit_projection(model, tokenizer, torch.from_numpy(np.stack(regions)).to(device), weight.to(device))


def _with_gate(config: RpBertConfig, settings: TrainingSettings) -> RpBertConfig:
    return config if settings.gate is None else config.model_copy(update={"gate": settings.gate})
