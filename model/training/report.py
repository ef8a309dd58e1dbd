"""What a run leaves for its reader: `report.json` and pictures."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict

from model.scores import EntityScores, RelationScores
from model.training.alignment import AlignmentCounts
from model.training.confusion import confusion
from model.training.data import DataCounts
from model.training.judge import JudgedPairs, Verdict
from model.training.progress import Epoch, Progress, Step

FILE: Final = "report.json"

_BINS: Final = 20
_TRACKED: Final = ("ls-files", "--error-unmatch")
_DESCRIBE: Final = ("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
_PACKAGES: Final = ("rpbert-stream", "torch", "accelerate", "timm", "tokenizers", "numpy", "pytorch-crf")


class _Figures(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Histogram(_Figures):
    """Held-out pairs by their relation score.

    Attributes:
        edges: Of the bins, in P(related).
        related: Related pairs in each bin.
        unrelated: Unrelated pairs in each bin.
    """

    edges: list[float]
    related: list[int]
    unrelated: list[int]

    @classmethod
    def of(cls, pairs: JudgedPairs) -> Histogram:
        """Count pairs into bins."""
        scores, related = np.array(pairs.scores), np.array(pairs.related, dtype=bool)
        inside, edges = np.histogram(scores[related], bins=_BINS, range=(0, 1))
        outside, _ = np.histogram(scores[~related], bins=_BINS, range=(0, 1))
        return cls(edges=edges.tolist(), related=inside.tolist(), unrelated=outside.tolist())


class Environment(_Figures):
    """Where a run took place.

    Attributes:
        device: What it ran on.
        dtype: Of the matrix products in training.
        processes: How many shared each batch.
        versions: Of Python and the packages that make the figures.
        commit: Of the source, `-dirty` if it was changed; None outside a checkout.
    """

    device: str
    dtype: str
    processes: int
    versions: dict[str, str]
    commit: str | None

    @classmethod
    def here(cls, *, device: str, dtype: str, processes: int) -> Environment:
        """This process's."""
        versions = {"python": platform.python_version()}
        versions |= {name: metadata.version(name) for name in _PACKAGES}
        return cls(device=device, dtype=dtype, processes=processes, versions=versions, commit=_commit())


class Report(_Figures):
    """A run and what it came to; figures in 0-1.

    Attributes:
        name: Of the release.
        version: Of the release.
        settings: The recipe.
        network: The network's numbers.
        untrained_start: Whether it began from random weights, so that no figure means anything.
        data: How much there was and what was amiss.
        alignment: What helped the relation task; None without captioned pictures.
        steps: Loss and gradient norm of every step.
        epochs: What the development data said after each epoch.
        best_epoch: The epoch that was released.
        dev: Scores of each development file, measured on the written release.
        confusion: Of each development file, by gold type and found type, see `confusion`.
        relation: Scores of each source of held-out pairs, measured on the written release.
        relation_histogram: Their relation scores, counted into bins.
        seconds: Time that training took, judging included and reading the data not.
        environment: Where it took place.
    """

    name: str
    version: str
    settings: dict[str, Any]
    network: dict[str, Any]
    untrained_start: bool
    data: DataCounts
    alignment: AlignmentCounts | None = None
    steps: list[Step]
    epochs: list[Epoch]
    best_epoch: int
    dev: dict[str, EntityScores]
    confusion: dict[str, dict[str, dict[str, int]]]
    relation: dict[str, RelationScores]
    relation_histogram: dict[str, Histogram]
    seconds: float
    environment: Environment

    @classmethod
    def of(
        cls,
        progress: Progress,
        verdict: Verdict,
        *,
        gold: dict[str, Sequence[Sequence[str]]],
        **said: Any,
    ) -> Report:
        """Put a report together.

        Args:
            progress: of the run, at its end.
            verdict: of the written release.
            gold: BIO tags of the posts of each development file.
            said: the other fields.
        """
        return cls(
            steps=progress.steps,
            epochs=progress.epochs,
            best_epoch=progress.best.epoch if progress.best else 0,
            dev=verdict.entities,
            confusion={name: confusion(gold[name], found) for name, found in verdict.tags.items()},
            relation=verdict.relation,
            relation_histogram={name: Histogram.of(pairs) for name, pairs in verdict.pairs.items()},
            seconds=progress.seconds,
            **said,
        )

    def write(self, directory: Path) -> None:
        """Write `report.json`; `directory` is made if need be."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / FILE).write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")


def _commit() -> str | None:
    """The commit of the checkout that this module is tracked in."""
    git, here = shutil.which("git"), Path(__file__)
    if git is None:
        return None
    words = ([git, *_TRACKED, here.name], [git, *_DESCRIBE])
    runs = [
        subprocess.run(each, cwd=here.parent, capture_output=True, text=True, check=False)  # noqa: S603 - our words
        for each in words
    ]
    return runs[-1].stdout.strip() if not any(run.returncode for run in runs) else None
