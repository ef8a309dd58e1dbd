"""The fault suite in full: `make test-faults`, or `python -m tests.faults --seed 7`."""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from cyclopts import App
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from tests.faults.build import PARTITIONS, built
from tests.faults.record import commit_here, machine
from tests.faults.run import Finding, Plan, run
from tests.faults.schedule import Counts
from tests.model.tiny import save_tiny_release
from workers.local.kafka import KafkaCluster

RESULTS = Path(__file__).parents[2] / "bench" / "results" / "faults.json"

app = App(help=__doc__)
_console = Console(soft_wrap=True)


class Record(BaseModel):
    """What `bench/results/faults.json` holds."""

    at: datetime
    commit: str
    machine: str
    brokers: int
    partitions: int
    plan: Plan
    finding: Finding


@app.default
def main(
    *,
    seed: int = 1,
    posts: int = 200_000,
    worker_kills: int = 30,
    logs: Path | None = None,
    results: Path = RESULTS,
) -> None:
    """Run the whole suite; exit status 1 when the checker finds anything.

    Args:
        seed: What the schedule is drawn from; printed with it.
        posts: Posts to produce.
        worker_kills: How many times a worker is killed.
        logs: Where workers and brokers log, to be looked at afterwards; a temporary folder by default.
        results: Where the figures are written.
    """
    plan = Plan(seed=seed, posts=posts, counts=Counts(worker_kills=worker_kills))
    if logs is not None:
        logs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="rpbert-faults-") as folder:
        release = save_tiny_release(Path(folder) / "tiny")
        data = None if logs is None else logs / "kafka"
        with (
            KafkaCluster(3, data_dir=data, progress=_tell) as kafka,
            built(kafka, release, logs or Path(folder), pods=plan.pods) as (
                stage,
                workload,
            ),
        ):
            finding = run(plan, stage, workload, _tell)
    record = Record(
        at=datetime.now(UTC).replace(microsecond=0),
        commit=commit_here(),
        machine=machine(),
        brokers=3,
        partitions=PARTITIONS,
        plan=plan,
        finding=finding,
    )
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    _show(finding)
    sys.exit(1 if finding.wrong else 0)


def _show(finding: Finding) -> None:
    table = Table(title="Fault run")
    table.add_column("what")
    table.add_column("figure", justify="right")
    table.add_row("posts produced", f"{finding.posts:,}")
    table.add_row("posts with an outcome", f"{finding.outcomes:,}")
    for action, times in finding.done.items():
        table.add_row(action, str(times))
    table.add_row("workers that ended by themselves", str(len(finding.ended)))
    table.add_row("seconds", f"{finding.seconds:,.0f}")
    _console.print(table)
    for line in finding.ended:
        _console.print(f"ended by itself: {line}", markup=False)
    _console.print("\n".join(finding.wrong) or "every post once, in order, under its key", markup=False)


def _tell(text: str) -> None:
    _console.print(f"{datetime.now(UTC):%H:%M:%S}  {text}", markup=False, highlight=False)


if __name__ == "__main__":
    app()
