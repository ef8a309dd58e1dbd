"""Training by the paper's Algorithm 1: each epoch all relation batches, then all tagging batches.

The vision backbone is frozen here, so its features are computed once.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import cyclopts
import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional

from model import card, conse, pretrained
from model.augment import mask_pieces, merge_signs, shuffled_batches
from model.batch import Batch, collate
from model.config import PRESETS
from model.data.captioned import read_captioned_pictures
from model.data.gold import GoldPost, mend
from model.data.read import read_all, read_gold
from model.device import pick_dtype
from model.evaluation import EntityScores, evaluate_entities
from model.inference import Tagger
from model.relation import Gallery, relation_auc, relation_batches
from model.release import CARD, Release, load_release, save_release, seal
from model.rpbert import RpBert
from model.words import WordPieces

_COLDEST: Final = 0.1


class TrainingSettings(BaseModel):
    """What to train, on what, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: tuple[Path, ...] = Field(min_length=1, description="CoNLL files to train on.")
    dev: tuple[Path, ...] = Field(min_length=1, description="CoNLL files that choose the epoch.")
    output: Path = Field(description="Directory of the release to write.")
    captioned_pictures: Path | None = Field(
        default=None, description="Directory of PNGs, each with its caption in a .txt, for the relation task."
    )
    preset: str = Field(default="small", description="Preset of the network.")
    name: str = Field(default="small", description="Name of the release.")
    version: str = Field(default="1.0.0", description="Version of the release.")
    epochs: int = Field(default=5, gt=0)
    batch_size: int = Field(default=32, gt=0)
    encoder_rate: float = Field(default=2e-4, gt=0, description="Peak rate of encoder and projection.")
    head_rate: float = Field(default=2e-3, gt=0, description="Peak learning rate of the new layers.")
    warm_up: float = Field(default=0.1, ge=0, lt=1, description="Share of the steps that warm up.")
    weight_decay: float = Field(default=0.01, ge=0)
    clip: float = Field(default=1.0, gt=0, description="Largest norm of the gradient.")
    averaging: float = Field(default=0.99, ge=0, lt=1, description="Decay of the moving average of weights.")
    masked_pieces: float = Field(default=0.1, ge=0, lt=1, description="Share of word pieces hidden.")
    merged_signs: float = Field(default=0.5, ge=0, le=1, description="Share of # and @ joined to their word.")
    posts_with_picture: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Share of sentences given some captioned picture.",
    )
    seed: int = 1


def train(settings: TrainingSettings) -> Path:
    """Train a release and write it.

    Returns:
        The release's directory. Its card states the figures of the written, half-precision release.

    Raises:
        DatasetError: a file can't be read.
    """
    return _Training(settings).run()


class _Training:
    """One run: the network, its running average, the data and the optimiser."""

    def __init__(self, settings: TrainingSettings) -> None:
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.console = Console()
        self.bf16 = pick_dtype("auto", torch.device("cpu")) is torch.bfloat16
        self.random = np.random.default_rng(settings.seed)
        self.generator = torch.Generator().manual_seed(settings.seed)
        config = PRESETS[settings.preset]
        self.model, self.tokenizer = pretrained.start(config)
        self.model.vision.requires_grad_(requires_grad=False).eval()
        self.pieces = WordPieces(self.tokenizer, window=config.window, overlap=config.overlap)
        self.sentences = read_all(settings.train)
        self.dev = {_shown(path): read_gold(path).posts for path in settings.dev}
        self.gallery, self.held_out = self._galleries()
        self.optimizer = torch.optim.AdamW(self._groups(), weight_decay=settings.weight_decay, fused=True)
        steps = settings.epochs * math.ceil(len(self.sentences) / settings.batch_size)
        if self.gallery:
            steps += settings.epochs * math.ceil(2 * len(self.gallery.captions) / settings.batch_size)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, _triangle(steps, settings.warm_up))
        self.average = copy.deepcopy(self.model)

    def run(self) -> Path:
        best, best_f1 = copy.deepcopy(self.model), -1.0
        for epoch in range(1, self.settings.epochs + 1):
            self.model.train()
            self.model.vision.eval()
            self.model.gumbel_temperature = self._temperature(epoch)
            relation = self._relation_epoch(epoch)
            tagging = self._tagging_epoch(epoch)
            candidate = copy.deepcopy(self.average).eval()
            scores = self._evaluate(candidate)
            f1 = float(np.mean([score.conlleval.micro.f1 for score in scores.values()]))
            figures = ", ".join(f"{path} {score.conlleval.micro.f1:.4f}" for path, score in scores.items())
            auc = relation_auc(candidate, self.held_out, self.settings.seed) if self.held_out else math.nan
            self.console.print(
                f"epoch {epoch}: relation loss {relation:.3f}, AUC {auc:.3f}; "
                f"tagging loss {tagging:.3f}, F1 {figures}",
                soft_wrap=True,
            )
            if f1 > best_f1:
                best, best_f1 = candidate, f1
        return self._write(best)

    def _temperature(self, epoch: int) -> float:
        """Of the Gumbel gate: from 1 in the first epoch to 0.1 in the last (paper, section 3.3)."""
        share = (epoch - 1) / max(1, self.settings.epochs - 1)
        return 1 - (1 - _COLDEST) * share

    def _galleries(self) -> tuple[Gallery | None, Gallery | None]:
        directory = self.settings.captioned_pictures
        if directory is None:
            return None, None
        gallery = Gallery.describe(read_captioned_pictures(directory), self.model, self.pieces)
        seen, held_out = gallery.split(self.settings.seed)
        conse.fit_projection(
            self.model,
            self.tokenizer,
            torch.from_numpy(seen.regions),
            pretrained.classifier(self.model.config),
        )
        return seen, held_out

    def _groups(self) -> list[dict[str, object]]:
        pretrained_parts = [*self.model.encoder.parameters(), *self.model.project.parameters()]
        new = [*self.model.relation.parameters(), *self.model.tagger.parameters()]
        return [
            {"params": pretrained_parts, "lr": self.settings.encoder_rate},
            {"params": new, "lr": self.settings.head_rate},
        ]

    def _relation_epoch(self, epoch: int) -> float:
        if self.gallery is None:
            return math.nan
        batches = list(relation_batches(self.gallery, self.settings.batch_size, self.random))
        losses = [
            self._step(self._relation_loss(batch, labels))
            for batch, labels in track(batches, f"epoch {epoch}: relation", console=self.console)
        ]
        return float(np.mean(losses))

    def _relation_loss(self, batch: Batch, labels: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            logits = self.model.relate(batch)
        return functional.cross_entropy(logits.float(), labels)

    def _tagging_epoch(self, epoch: int) -> float:
        settings = self.settings
        sentences = [merge_signs(sentence, settings.merged_signs, self.random) for sentence in self.sentences]
        lengths = [len(sentence.words) for sentence in sentences]
        batches = shuffled_batches(lengths, settings.batch_size, self.random)
        losses = [
            self._step(self._tagging_loss([sentences[index] for index in chosen]))
            for chosen in track(batches, f"epoch {epoch}: tagging", console=self.console)
        ]
        return float(np.mean(losses))

    def _tagging_loss(self, sentences: list[GoldPost]) -> Tensor:
        texts = [self.pieces.prepare_words(sentence.words) for sentence in sentences]
        regions = [self._some_picture() for _ in sentences]
        batch = collate(texts, regions, channels=self.model.config.vision.channels)
        ids = mask_pieces(batch.ids, self.settings.masked_pieces, self.pieces, self.generator)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            _, emissions = self.model(batch.with_ids(ids))
        return self.model.tagging_loss(emissions, gold(sentences, self.model.config.tags), batch.word_counts)

    def _some_picture(self) -> list[np.ndarray]:
        if self.gallery is None or self.random.random() >= self.settings.posts_with_picture:
            return []
        return [self.gallery.regions[self.random.integers(len(self.gallery.regions))]]

    def _step(self, loss: Tensor) -> float:
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.schedule.step()
        with torch.no_grad():
            for average, parameter in zip(self.average.parameters(), self.model.parameters(), strict=True):
                if parameter.requires_grad:
                    average.lerp_(parameter, 1 - self.settings.averaging)
        return loss.item()

    def _evaluate(self, model: RpBert) -> dict[str, EntityScores]:
        release = Release(self.settings.name, self.settings.version, copy.deepcopy(model), self.tokenizer)
        tagger = Tagger(release, device=torch.device("cpu"), dtype=torch.float32)
        return {path: evaluate_entities(tagger, sentences) for path, sentences in self.dev.items()}

    def _write(self, model: RpBert) -> Path:
        """Write the release, measure what was written, and put that on its card."""
        settings, output = self.settings, self.settings.output
        identity = {"name": settings.name, "version": settings.version}
        save_release(output, model=model, tokenizer=self.tokenizer, card="", **identity)
        written = load_release(str(output))
        auc = relation_auc(written.model, self.held_out, settings.seed) if self.held_out else None
        text = card.write(
            base=model.config.encoder.source,
            backbone=model.config.vision.backbone,
            command=_command(settings),
            entities=self._evaluate(written.model),
            auc=auc,
            **identity,
        )
        (output / CARD).write_text(text, encoding="utf-8")
        seal(output, **identity)
        return output


def gold(sentences: list[GoldPost], tags: tuple[str, ...]) -> Tensor:
    """Gold tag indices `(posts, words)`, 0 behind a sentence's end."""
    indices = torch.zeros(
        len(sentences), max(len(sentence.words) for sentence in sentences), dtype=torch.long
    )
    for row, sentence in zip(indices, sentences, strict=True):
        row[: len(sentence.tags)] = torch.tensor([tags.index(tag) for tag in mend(sentence.tags)])
    return indices


def _triangle(steps: int, warm_up: float) -> Callable[[int], float]:
    """Up over the first share of the steps, then down to 0."""
    top = max(1, round(warm_up * steps))
    return lambda step: min((step + 1) / top, (steps - step) / max(1, steps - top))


def _command(settings: TrainingSettings) -> str:
    """The command line of a run, its directories left out: they are its machine's own."""
    parts = ["python -m model.training"]
    for field, value in settings.model_dump().items():
        if value == TrainingSettings.model_fields[field].default:
            continue
        values = value if isinstance(value, tuple) else (value,)
        flag = field.replace("_", "-")
        parts += [f"--{flag} {_shown(one)}" for one in values]
    return " \\\n  ".join(parts)


def _shown(value: object) -> str:
    return "/".join(value.parts[-2:]) if isinstance(value, Path) else str(value)


def main(settings: Annotated[TrainingSettings, cyclopts.Parameter(name="*")]) -> None:
    """Train a release by the paper's Algorithm 1 and write it."""
    train(settings)


if __name__ == "__main__":
    cyclopts.run(main)
