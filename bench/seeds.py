"""What one recipe gives over several seeds: mean and spread of the figures of its runs.

python -m bench.seeds runs/small-1 runs/small-2 runs/small-3
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Final

from cyclopts import App
from pydantic import BaseModel, ConfigDict
from rich.console import Console

from model.training.report import FILE, Environment, Report
from model.training.run import REPORT

RESULTS: Final = Path(__file__).parent / "results"

console = Console(highlight=False)


class Figures(BaseModel):
    """What one run came to, measured on its written release; 0-1.

    Attributes:
        conlleval: Entity micro F1 of each development file, conlleval-style.
        strict: The same, strict IOB2.
        relation_auc: Of each source of held-out pairs.
        teacher_auc: Of the relation head's teacher, if it had one.
        best_epoch: The epoch that the development files chose.
        seconds: Time that training took.
    """

    model_config = ConfigDict(frozen=True)

    conlleval: dict[str, float]
    strict: dict[str, float]
    relation_auc: dict[str, float]
    teacher_auc: float | None
    best_epoch: int
    seconds: float

    @classmethod
    def of(cls, report: Report) -> Figures:
        """Those of a run's report."""
        return cls(
            conlleval={name: scores.conlleval.micro.f1 for name, scores in report.dev.items()},
            strict={name: scores.strict.micro.f1 for name, scores in report.dev.items()},
            relation_auc={
                name: scores.auc for name, scores in report.relation.items() if scores.auc is not None
            },
            teacher_auc=None if report.alignment is None else report.alignment.teacher_auc,
            best_epoch=report.best_epoch,
            seconds=report.seconds,
        )


class Seeds(BaseModel):
    """A recipe, where it ran, and what each seed gave."""

    model_config = ConfigDict(frozen=True)

    recipe: dict[str, Any]
    environment: Environment
    runs: dict[int, Figures]

    @classmethod
    def of(cls, reports: Sequence[Report]) -> Seeds:
        """Put the runs of one recipe together.

        Raises:
            ValueError: they are of several recipes, or two have the same seed.
        """
        recipes = [{**report.settings, "seed": None} for report in reports]
        for recipe in recipes[1:]:
            differing = sorted(name for name, value in recipe.items() if value != recipes[0].get(name))
            if differing:
                raise ValueError(f"the runs differ in {', '.join(differing)}: give runs of one recipe")
        runs = {report.settings["seed"]: Figures.of(report) for report in reports}
        if len(runs) < len(reports):
            raise ValueError("two runs have the same seed: give one of each")
        return cls(recipe=recipes[0], environment=reports[0].environment, runs=runs)

    def table(self) -> str:
        """A row a figure: mean, spread over the seeds as standard deviation, and each seed's own."""
        head = ["", "mean ± sd", *(f"seed {seed}" for seed in self.runs)]
        rows: list[list[str]] = []
        figures = list(self.runs.values())
        for style in ("conlleval", "strict"):
            each: list[Mapping[str, float]] = [getattr(run, style) for run in figures]
            rows += [
                _row(f"{name}, {style} F1", [100 * run[name] for run in each], digits=2) for name in each[0]
            ]
        for source in figures[0].relation_auc:
            rows.append(
                _row(f"{source}, relation AUC", [run.relation_auc[source] for run in figures], digits=3)
            )
        teachers = [run.teacher_auc for run in figures if run.teacher_auc is not None]
        if len(teachers) == len(figures):
            rows.append(_row("the teacher's AUC there", teachers, digits=3))
        return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)) + "\n"


def _row(name: str, values: Sequence[float], digits: int) -> list[str]:
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return [name, f"{fmean(values):.{digits}f}{spread}", *(f"{value:.{digits}f}" for value in values)]


app = App(help=__doc__)


@app.default
def main(*runs: Path, name: str = "small", output: Path = RESULTS) -> None:
    """Write `NAME.json` and `NAME.md` from the reports of the runs.

    Args:
        runs: directories of runs of `rpbert train`.
        name: of the results.
        output: directory of the results.
    """
    reports = [Report.model_validate_json((run / REPORT / FILE).read_bytes()) for run in runs]
    try:
        seeds = Seeds.of(reports)
    except ValueError as error:
        raise SystemExit(str(error)) from None
    output.mkdir(parents=True, exist_ok=True)
    (output / f"{name}.json").write_text(seeds.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (output / f"{name}.md").write_text(seeds.table(), encoding="utf-8")
    console.print(seeds.table(), markup=False, soft_wrap=True)


if __name__ == "__main__":
    app()
