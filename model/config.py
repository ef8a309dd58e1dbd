"""The numbers that make an RpBERT, and the presets that have names."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas import EntityType

BLOCKS: Final = 49
"""Block regions of a picture: the 7x7 grid of the backbone's last stage (paper, section 3.1)."""

PICTURE_SIZE: Final = 224
"""Side of the square that every picture is brought to, in pixels."""

BIO_TAGS: Final = ("O", *(f"{prefix}-{kind}" for kind in EntityType for prefix in "BI"))
"""Tags of the tagger: `O`, then `B-` and `I-` of each entity type."""


class GateKind(StrEnum):
    """How the relation score becomes the gate on the visual blocks (paper, section 3.3).

    `OFF` is for ablation: every picture is let in whole, whatever its score.
    """

    SOFT = "soft"
    STRAIGHT_THROUGH = "straight_through"
    GUMBEL = "gumbel"
    OFF = "off"


class GatePlace(StrEnum):
    """What the gate multiplies.

    `EMBEDDING`: the finished embedding of a block; at 0 the picture leaves the attention too (paper,
    section 3.3). `PROJECTION`: the projected block, before position, segment and LayerNorm, as in the
    authors' 2022 code; the blocks are attended whatever the gate.
    """

    EMBEDDING = "embedding"
    PROJECTION = "projection"


class VisualPositions(StrEnum):
    """Where the blocks of a picture stand behind a text of so many word pieces.

    `SHARED`: all at that position (paper, section 3.1). `RUNNING`: one behind the other from there on, as in
    the authors' 2022 code.
    """

    SHARED = "shared"
    RUNNING = "running"


class WordVector(StrEnum):
    """What stands for a word: the vector of its first piece, or the mean over its pieces."""

    FIRST_PIECE = "first_piece"
    MEAN = "mean"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EncoderConfig(_Frozen):
    """A BERT, in its own terms."""

    source: str = Field(description="Hub name or directory of the BERT that training starts from.")
    vocab_size: int = Field(gt=0)
    hidden: int = Field(gt=0)
    layers: int = Field(gt=0)
    heads: int = Field(gt=0)
    intermediate: int = Field(gt=0)
    max_positions: int = Field(default=512, gt=3)
    type_vocab: int = Field(default=2, ge=2, description="Segment 0 is text, segment 1 is visual.")
    layer_norm_eps: float = Field(default=1e-12, gt=0)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    visual_positions: VisualPositions = VisualPositions.SHARED
    surface_width: int = Field(
        default=0,
        ge=0,
        description="Character convolution that, with the word's shape, is added to BERT's input embedding; "
        "0 leaves both out.",
    )

    @property
    def visual_length(self) -> int:
        """Positions that the blocks of a picture take."""
        return BLOCKS if self.visual_positions is VisualPositions.RUNNING else 1


class VisionConfig(_Frozen):
    """The backbone that turns a picture into block regions."""

    backbone: Literal["resnet152", "resnet101", "efficientnet_lite0"]
    channels: int = Field(gt=0, description="Channels of the backbone's last stage.")
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    class_rank: int = Field(
        default=0,
        ge=0,
        description="Rank of the ImageNet classifier that tells each block, in words, what the whole picture "
        "is called; 0 leaves it out.",
    )


class TaggerConfig(_Frozen):
    """The biLSTM-CRF and what stands beside BERT's vectors at its input."""

    lstm_hidden: int = Field(gt=0, description="Width of each direction.")
    lstm_layers: int = Field(default=1, gt=0)
    dropout: float = Field(default=0.5, ge=0, lt=1)
    word_vector: WordVector = WordVector.FIRST_PIECE
    input_embedding: bool = Field(
        default=True, description="Whether BERT's input embedding stands beside its output."
    )
    shape_width: int = Field(default=0, ge=0, description="Word-shape embedding; 0 leaves it out.")
    character_width: int = Field(default=0, ge=0, description="Character convolution; 0 leaves it out.")


class RpBertConfig(_Frozen):
    """A whole RpBERT; stands as `config.json` in a release."""

    architecture: Literal["rpbert/1"] = "rpbert/1"
    encoder: EncoderConfig
    vision: VisionConfig
    tagger: TaggerConfig
    gate: GateKind = GateKind.SOFT
    gate_place: GatePlace = GatePlace.EMBEDDING
    tags: tuple[str, ...] = BIO_TAGS
    window: int = Field(default=256, gt=3, description="Word pieces read at once, with [CLS] and [SEP].")
    overlap: int = Field(default=64, ge=0, description="Word pieces that neighbouring windows share.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        # The visual blocks stand just behind a full window.
        if self.window + self.encoder.visual_length > self.encoder.max_positions:
            raise ValueError(
                f"window {self.window} leaves no position for the visual blocks, which take "
                f"{self.encoder.visual_length}: the encoder has {self.encoder.max_positions}"
            )
        if self.overlap * 2 > self.window - 2:
            raise ValueError(f"overlap {self.overlap} is more than half of window {self.window}")
        if self.encoder.hidden % self.encoder.heads:
            raise ValueError(f"hidden {self.encoder.hidden} does not divide by heads {self.encoder.heads}")
        return self


_BERT_BASE: Final = EncoderConfig(
    source="google-bert/bert-base-uncased",
    vocab_size=30_522,
    hidden=768,
    layers=12,
    heads=12,
    intermediate=3072,
)
_RESNET152: Final = VisionConfig(
    backbone="resnet152", channels=2048, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
)

PRESETS: Final[dict[str, RpBertConfig]] = {
    # Section 4.2 of the paper: BERT-base, ResNet-152, no word features beyond BERT's.
    "paper": RpBertConfig(encoder=_BERT_BASE, vision=_RESNET152, tagger=TaggerConfig(lstm_hidden=256)),
    # The same with BERT-large.
    "paper-large": RpBertConfig(
        encoder=EncoderConfig(
            source="google-bert/bert-large-uncased",
            vocab_size=30_522,
            hidden=1024,
            layers=24,
            heads=16,
            intermediate=4096,
        ),
        vision=_RESNET152,
        tagger=TaggerConfig(lstm_hidden=256),
    ),
    # The network of the authors' public code of 2022, where it differs from the paper (docs/paper.md). That
    # code reads a text in one piece: here as far as the positions go.
    "authors2022": RpBertConfig(
        encoder=_BERT_BASE.model_copy(update={"visual_positions": VisualPositions.RUNNING}),
        vision=_RESNET152.model_copy(update={"backbone": "resnet101"}),
        tagger=TaggerConfig(
            lstm_hidden=256,
            lstm_layers=2,
            dropout=0,
            word_vector=WordVector.MEAN,
            input_embedding=False,
        ),
        gate_place=GatePlace.PROJECTION,
        window=_BERT_BASE.max_positions - BLOCKS,
    ),
    # 28 million weights. The vocabulary is uncased and names live on case: word shape and characters
    # give it back.
    "small": RpBertConfig(
        encoder=EncoderConfig(
            source="sentence-transformers/all-MiniLM-L6-v2",
            vocab_size=30_522,
            hidden=384,
            layers=6,
            heads=12,
            intermediate=1536,
            surface_width=64,
        ),
        vision=VisionConfig(
            backbone="efficientnet_lite0",
            channels=1280,
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
            class_rank=192,
        ),
        tagger=TaggerConfig(lstm_hidden=128, shape_width=32, character_width=64),
        gate=GateKind.STRAIGHT_THROUGH,
    ),
}
