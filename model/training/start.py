"""The network that a run starts from."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from tokenizers import Tokenizer

from model import pretrained
from model.alignment.imagined import class_names
from model.alignment.projection import fit_projection
from model.alignment.sentences import SentenceVectors
from model.config import PRESETS, RpBertConfig
from model.release import load_release
from model.rpbert import RpBert
from model.training.alignment import Alignment
from model.training.pictures import Pictures
from model.training.settings import TrainingSettings
from model.words import WordPieces

_ENOUGH_PICTURES: Final = 250
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
    pieces: WordPieces,
    pictures: Pictures,
    alignment: Alignment | None,
) -> None:
    """Set the first weights of projection and recognition, where that is wanted and can be.

    Args:
        settings: of the run.
        model: whose weights are set, see `fit_projection` and `Recognition.learn`.
        pieces: its word pieces.
        pictures: where the pictures are.
        alignment: pictures and texts that training may see.
    """
    given = settings.untrained or settings.initial_release is not None
    if settings.projection == "random" or given or alignment is None or alignment.examples is None:
        return
    seen = alignment.captions.seen
    few = np.random.default_rng(settings.seed).permutation(len(seen))[:_ENOUGH_PICTURES]
    regions = np.stack([pictures.load(seen[index].path) for index in few])
    if model.recognition is not None:
        classifier = pretrained.classifier(model.config, settings.backbone_weights)
        names = SentenceVectors().of(class_names())
        model.recognition.learn(classifier, names, alignment.examples.pooled)
    fit_projection(model, pieces, alignment.examples, torch.from_numpy(regions), settings.seed)


def _with_gate(config: RpBertConfig, settings: TrainingSettings) -> RpBertConfig:
    return config if settings.gate is None else config.model_copy(update={"gate": settings.gate})
