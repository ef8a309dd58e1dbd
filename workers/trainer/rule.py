"""The rule by which a candidate is published or refused: figures in, checks out.

1. On each development file its micro F1 is at least that of the release in service, less `f1_tolerance`.
2. On the newest annotations, held out of training, its micro F1 is at least that of the release in service.
3. On each development file, each type with 20 gold entities or more keeps its F1, less `type_tolerance`.
4. It takes at most `latency_factor` of the time that the release in service takes, measured in turns.
5. It tags every golden post exactly as annotated, those that the release in service carries too.

F1 is that of conlleval. All five must hold; what there is no data for is not checked.
"""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict

from model.scores import EntityScores
from workers.settings import RuleSettings

ENOUGH_ENTITIES: Final = 20
"""Below so many gold entities the F1 of a type moves by chance."""


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Figures(_Said):
    """What was measured of a release.

    Attributes:
        dev: Scores on each development file, by its name.
        held_out: Scores on the held-out annotations; None where there are none.
        seconds: For one batch of posts.
        golden: How many golden posts there are.
        wrong_golden: Texts of those that were tagged otherwise than annotated.
    """

    dev: dict[str, EntityScores]
    held_out: EntityScores | None
    seconds: float
    golden: int
    wrong_golden: tuple[str, ...]


class Check(_Said):
    """One condition of the rule.

    Attributes:
        name: What was measured.
        incumbent: Of the release in service.
        candidate: Of the candidate.
        least: What the candidate must have; None where there is no lower bound.
        most: What it may have; None where there is no upper bound.
    """

    name: str
    incumbent: float
    candidate: float
    least: float | None = None
    most: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the candidate is within the bounds; what is no number is not."""
        return (self.least is None or self.candidate >= self.least) and (
            self.most is None or self.candidate <= self.most
        )

    @property
    def bound(self) -> str:
        """What was needed, for a person."""
        return f"at least {self.least:.4g}" if self.least is not None else f"at most {self.most:.4g}"

    def __str__(self) -> str:
        return (
            f"{self.name} is {self.candidate:.4g}, {self.bound} was needed (in service {self.incumbent:.4g})"
        )


def check(incumbent: Figures, candidate: Figures, rule: RuleSettings) -> list[Check]:
    """Hold a candidate against the rule.

    Args:
        incumbent: of the release in service, on the same data.
        candidate: of the candidate.
        rule: what it may lose.
    """
    checks = []
    for name, before in incumbent.dev.items():
        ours, theirs = candidate.dev[name].conlleval, before.conlleval
        checks.append(
            Check(
                name=f"micro F1 on {name}",
                incumbent=theirs.micro.f1,
                candidate=ours.micro.f1,
                least=theirs.micro.f1 - rule.f1_tolerance,
            )
        )
        for kind, score in theirs.types.items():
            if score.support >= ENOUGH_ENTITIES:
                found = ours.types.get(kind)
                checks.append(
                    Check(
                        name=f"F1 of {kind} on {name}",
                        incumbent=score.f1,
                        candidate=found.f1 if found else 0.0,
                        least=score.f1 - rule.type_tolerance,
                    )
                )
    if incumbent.held_out is not None and candidate.held_out is not None:
        least = incumbent.held_out.conlleval.micro.f1
        checks.append(
            Check(
                name="micro F1 on held-out annotations",
                incumbent=least,
                candidate=candidate.held_out.conlleval.micro.f1,
                least=least,
            )
        )
    checks.append(
        Check(
            name="seconds for a batch",
            incumbent=incumbent.seconds,
            candidate=candidate.seconds,
            most=incumbent.seconds * rule.latency_factor,
        )
    )
    if candidate.golden:
        checks.append(
            Check(
                name="golden posts tagged wrongly",
                incumbent=len(incumbent.wrong_golden),
                candidate=len(candidate.wrong_golden),
                most=0,
            )
        )
    return checks
