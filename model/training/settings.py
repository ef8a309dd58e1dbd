"""What to train, on what, and how. Knows no torch: the command line reads it at once."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, Self

from cyclopts import Parameter
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from model.config import BLOCKS, PRESETS, GateKind

_DEFAULT_PRESET: Final = "small"
_NOT_THE_RECIPE: Final = {
    "train",
    "dev",
    "images",
    "captioned_pictures",
    "relation",
    "relation_texts",
    "relation_images",
    "output",
    "resume",
    "checkpoint_steps",
    "encoder",
    "backbone_weights",
    "device",
}


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


@Parameter(name="*")
class GoldData(_Settings):
    """What to train on."""

    train: tuple[Path, ...] = Field(
        min_length=1, description="File of gold posts to train on, CoNLL or AnnotatedPost JSONL; repeatable."
    )
    dev: tuple[Path, ...] = Field(
        min_length=1, description="File of gold posts that chooses the epoch; repeatable."
    )
    images: tuple[Path, ...] = Field((), description="Directory of the posts' pictures; repeatable.")
    captioned_pictures: tuple[Path, ...] = Field(
        (),
        description="Directory of PNGs, each with its caption in a .txt, for the relation task; repeatable. "
        "The first is measured on too; of the others, what comes close to its held-out captions is left out.",
    )
    relation: Path | None = Field(None, description="CSV of text-image relation labels (TRC).")
    relation_texts: Path | None = Field(None, description="Texts of the tweets in --relation.")
    relation_images: Path | None = Field(None, description="Directory of the pictures of --relation.")

    @model_validator(mode="after")
    def _relation_is_whole(self) -> Self:
        parts = {
            "--relation": self.relation,
            "--relation-texts": self.relation_texts,
            "--relation-images": self.relation_images,
        }
        missing = [flag for flag, value in parts.items() if value is None]
        if missing and len(missing) < len(parts):
            raise ValueError(f"{' and '.join(missing)} is missing: {', '.join(parts)} go together")
        return self


class _Run(GoldData):
    """Where a run begins, and what it is to become."""

    output: Path = Field(description="Directory of the run: release, report, checkpoints, TensorBoard logs.")
    resume: bool = Field(
        default=False, description="Go on from the newest checkpoint in --output, if there is one."
    )
    preset: str | None = Field(
        None, description=f"Network: {', '.join(PRESETS)}; {_DEFAULT_PRESET} if unset."
    )
    gate: GateKind | None = Field(None, description="Gate, if not that of the network.")
    initial_release: str | None = Field(
        None, description="Release whose weights to start from, rather than a preset's pretrained encoders."
    )
    encoder: Path | None = Field(
        None, description="Directory of a BERT to start from (model.safetensors, tokenizer.json)."
    )
    backbone_weights: Path | None = Field(
        None, description="Safetensors file of an ImageNet-trained vision backbone to start from."
    )
    untrained: bool = Field(
        default=False,
        description="Start from random weights: tries a recipe's mechanics, makes nothing of use.",
    )
    projection: Literal["contrastive", "random"] = Field(
        "contrastive",
        description="First guess of the projection: fitted on captioned pictures, or random. Without them it "
        "is random, as with --vision tuned or --untrained; a release keeps its own.",
    )
    name: str | None = Field(
        None, min_length=1, description="Name of the release; that of the preset if unset."
    )
    version: str = Field("1.0.0", min_length=1, description="Version of the release.")

    @field_validator("preset")
    @classmethod
    def _known(cls, preset: str | None) -> str | None:
        if preset is not None and preset not in PRESETS:
            raise ValueError(f"there is no preset {preset!r}: give one of {', '.join(PRESETS)}")
        return preset

    @model_validator(mode="after")
    def _one_start(self) -> Self:
        starts = {
            "--preset": self.preset,
            "--encoder": self.encoder,
            "--backbone-weights": self.backbone_weights,
            "--untrained": self.untrained,
        }
        given = [flag for flag, value in starts.items() if value]
        if self.initial_release and given:
            raise ValueError(f"--initial-release brings its own network: leave out {' and '.join(given)}")
        if self.untrained and (self.encoder or self.backbone_weights):
            raise ValueError(
                "--untrained starts from random weights: leave out --encoder, --backbone-weights"
            )
        return self

    @property
    def network(self) -> str:
        """Name of the preset, where no release is started from."""
        return self.preset or _DEFAULT_PRESET

    @property
    def release_name(self) -> str:
        """Name of the release."""
        return self.name or self.network


@Parameter(name="*")
class Recipe(_Settings):
    """How to train; with `--rounds 100` the defaults are those of `small`."""

    epochs: int = Field(6, gt=0, description="Epochs at most.")
    rounds: int = Field(
        1,
        gt=0,
        description="Rounds of an epoch, each with its part of the relation batches, then of the tagging "
        "batches; 1 is Algorithm 1 of the paper.",
    )
    patience: int = Field(3, gt=0, description="Epochs without a better dev F1 that end the run.")
    batch_size: int = Field(16, gt=0, description="Posts in a step, over all processes.")
    relation_batch_size: int = Field(16, gt=0, description="Pairs in a step, likewise.")
    encoder_rate: float = Field(
        2.5e-4, gt=0, description="Peak learning rate of encoder, projection and surface."
    )
    layer_decay: float = Field(
        0.9, gt=0, le=1, description="What each encoder layer's rate is of that of the layer above it."
    )
    head_rate: float = Field(1.5e-3, gt=0, description="Peak learning rate of relation head and tagger.")
    vision: Literal["frozen", "tuned"] = Field(
        "frozen", description="Whether the vision backbone is trained too."
    )
    vision_rate: float = Field(1e-5, gt=0, description="Peak learning rate of the vision backbone.")
    warm_up: float = Field(0.1, ge=0, lt=1, description="Share of the steps that warm up.")
    weight_decay: float = Field(0.01, ge=0, description="Decoupled weight decay.")
    clip: float = Field(1.0, gt=0, description="Largest norm of the gradient.")
    averaging: float = Field(0.998, ge=0, lt=1, description="Decay of the moving average of weights.")
    masked_pieces: float = Field(0.1, ge=0, lt=1, description="Share of word pieces hidden.")
    merged_signs: float = Field(0.5, ge=0, le=1, description="Share of # and @ joined to their word.")
    posts_with_picture: float = Field(
        0.2, ge=0, le=1, description="Share of posts without a picture that are given some captioned one."
    )
    teacher_share: float = Field(
        0.8,
        ge=0,
        le=1,
        description="Share of a teacher's judgement in the targets of captioned and imagined pictures; what "
        "people labelled stays as it is. There is no teacher without captioned pictures, nor without "
        "ImageNet's own backbone, frozen.",
    )
    hint_weight: float = Field(
        1.0,
        ge=0,
        description="Weight of the teacher's hints in the relation loss: where it puts text and picture. "
        "None where there is no teacher, or the encoder is not as wide as it.",
    )
    imagined_share: float = Field(
        0.3,
        ge=0,
        lt=1,
        description="Share of imagined pictures, of ImageNet's classes, among captioned and imagined ones; "
        "none where there is no teacher to be had.",
    )
    captioned_pictures_per_epoch: int = Field(
        2000,
        gt=0,
        description="Captioned pictures that an epoch draws at most; each makes a related pair and another.",
    )
    relation_blocks: int = Field(
        16,
        gt=0,
        le=BLOCKS,
        description=f"Random blocks of a picture, of {BLOCKS}, that a step of the relation task reads; all "
        "with --vision tuned, or where each block has a position of its own.",
    )
    seed: int = Field(1, ge=0, description="Of data order, dropout, augmentation and new weights.")
    checkpoint_steps: int = Field(
        200, gt=0, description="Steps between checkpoints; the end of an epoch always makes one."
    )
    device: Literal["auto", "cpu"] = Field("auto", description="auto is CUDA where it is, one GPU a process.")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Of the matrix products; auto takes bfloat16 where the device has it."
    )


@Parameter(name="*")
class TrainingSettings(Recipe, _Run):
    """Settings of `rpbert train`; with `--rounds 100` the defaults are those of `small`."""

    @model_validator(mode="after")
    def _vision_has_pictures(self) -> Self:
        if self.vision == "tuned" and not (self.images or self.captioned_pictures or self.relation):
            raise ValueError(
                "--vision tuned needs pictures: give --images, --captioned-pictures or --relation"
            )
        return self

    def recipe(self) -> dict[str, object]:
        """What makes one run other than another: all but places and this machine's circumstances."""
        return self.model_dump(mode="json", exclude=_NOT_THE_RECIPE)

    def command(self) -> str:
        """The command line of the run; directories are shortened: they are its machine's own."""
        lines = ["rpbert train"]
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if name == "resume" or value == field.default:
                continue
            flag = f"--{name.replace('_', '-')}"
            values = value if isinstance(value, tuple) else (value,)
            # A release may be named by its directory.
            short = [shown(Path(one) if name == "initial_release" else one) for one in values]
            lines += [flag if value is True else f"{flag} {one}" for one in short]
        return " \\\n  ".join(lines)


def shown(value: object) -> str:
    """A path by its last two parts, anything else as it is."""
    return "/".join(value.parts[-2:]) if isinstance(value, Path) else str(value)
