"""A tiny RpBERT with a vocabulary of its own, so that tests are quick and need no pretrained weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from torch import nn

from model.config import (
    BLOCKS,
    PRESETS,
    EncoderConfig,
    GateKind,
    RpBertConfig,
    TaggerConfig,
    VisionConfig,
)
from model.inference import Tagger
from model.release import Release, save_release
from model.rpbert import RpBert

CHANNELS = 1280


def tiny_config(
    gate: GateKind = GateKind.STRAIGHT_THROUGH, *, window: int = 24, overlap: int = 8
) -> RpBertConfig:
    return RpBertConfig(
        encoder=EncoderConfig(
            source="nowhere/tiny",
            vocab_size=120,
            hidden=32,
            layers=2,
            heads=4,
            intermediate=64,
            max_positions=64,
            surface_width=4,
        ),
        vision=VisionConfig(
            backbone="efficientnet_lite0",
            channels=CHANNELS,
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
            class_rank=8,
        ),
        tagger=TaggerConfig(lstm_hidden=16, shape_width=8, character_width=8),
        gate=gate,
        window=window,
        overlap=overlap,
    )


def tiny_preset(name: str) -> RpBertConfig:
    """What a preset chooses, in a tiny shape."""
    preset, tiny = PRESETS[name], tiny_config()
    rank = tiny.vision.class_rank if preset.vision.class_rank else 0
    sizes = {"vocab_size": 120, "hidden": 32, "layers": 2, "heads": 4, "intermediate": 64}
    return preset.model_copy(
        update={
            "encoder": preset.encoder.model_copy(update=sizes),
            "vision": tiny.vision.model_copy(update={"class_rank": rank}),
        }
    )


def tiny_tokenizer() -> Tokenizer:
    """WordPiece over single letters, so that every Latin word has pieces."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789#@.,:/!?"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    tokenizer = Tokenizer(
        models.WordPiece({token: index for index, token in enumerate(tokens)}, unk_token="[UNK]")  # noqa: S106
    )
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(tokens[:5])
    return tokenizer


def tiny_model(gate: GateKind = GateKind.STRAIGHT_THROUGH, *, window: int = 24, overlap: int = 8) -> RpBert:
    return with_random_weights(tiny_config(gate, window=window, overlap=overlap))


def with_random_weights(config: RpBertConfig) -> RpBert:
    """Weights drawn wide enough that every input shows in the output."""
    torch.manual_seed(8)
    model = RpBert(config).eval()
    nothing = nn.Module()
    parts = (
        model.encoder,
        model.surface or nothing,
        model.project,
        model.recognition or nothing,
        model.relation,
    )
    for parameter in (each for part in parts for each in part.parameters()):
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.15)
    if model.recognition is not None:
        nn.init.normal_(model.recognition.names)
    return model


def save_tiny_release(directory: Path) -> Path:
    """A whole RpBERT cut down to two narrow layers with random weights: quick, and it tags freely."""
    save_release(
        directory,
        model=tiny_model(),
        tokenizer=tiny_tokenizer(),
        name="tiny",
        version="1",
        card="# Random weights, for the tests\n",
    )
    return directory


def tagger_of(model: RpBert) -> Tagger:
    release = Release("tiny", "1", model, tiny_tokenizer())
    return Tagger(release, device=torch.device("cpu"), dtype=torch.float32)


def some_regions(seed: int, count: int = 1) -> list[npt.NDArray[np.float16]]:
    random = np.random.default_rng(seed)
    return [random.uniform(0, 6, (BLOCKS, CHANNELS)).astype(np.float16) for _ in range(count)]
