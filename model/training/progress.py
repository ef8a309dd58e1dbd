"""Where a run is and what it has shown so far: everything of it but the weights."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from model.scores import EntityScores


class Phase(StrEnum):
    """The tasks of an epoch, in their order (Algorithm 1 of the paper)."""

    RELATION = "relation"
    TAGGING = "tagging"


class Step(NamedTuple):
    """A step of the run: mean loss of its batch, and the norm of the gradient before it was clipped."""

    epoch: int
    phase: Phase
    loss: float
    gradient_norm: float


class Epoch(BaseModel):
    """What the development data said after an epoch.

    Attributes:
        epoch: Which, from 1.
        f1: Mean over the files of micro F1, conlleval-style: what chooses the epoch.
        entities: Scores of each file.
        relation_auc: Area under the ROC curve on each set of pairs that training does not see.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epoch: int
    f1: float
    entities: dict[str, EntityScores]
    relation_auc: dict[str, float]


class Progress(BaseModel):
    """The state of a run beside its weights; stands as `progress.json` in a checkpoint.

    Attributes:
        epoch: The epoch to go on in, from 1.
        batch: How many batches of it are done.
        steps: Every step so far.
        epochs: Every judgement so far.
        seconds: Time that the run took so far.
    """

    model_config = ConfigDict(extra="forbid")

    epoch: int = Field(default=1, ge=1)
    batch: int = Field(default=0, ge=0)
    steps: list[Step] = []
    epochs: list[Epoch] = []
    seconds: float = Field(default=0.0, ge=0)

    @property
    def best(self) -> Epoch | None:
        """The first of the best epochs so far."""
        return max(self.epochs, key=lambda epoch: epoch.f1, default=None)

    def out_of_patience(self, patience: int) -> bool:
        """Whether so many epochs have passed since the best."""
        return self.best is not None and len(self.epochs) - self.best.epoch >= patience
