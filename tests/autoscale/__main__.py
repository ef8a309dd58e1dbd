"""Autoscaling proven whole: `make test-autoscale`, or `python -m tests.autoscale --most 3 --burst 12000`."""

from __future__ import annotations

import sys
import tempfile
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

from cyclopts import App
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from tests.autoscale.objects import Shortened
from tests.autoscale.plot import draw
from tests.autoscale.run import Finding, Plan, run
from tests.deploy.control_plane.build import binaries, keda_binaries
from tests.faults.record import commit_here, machine

_ROOT = Path(__file__).parents[2]
RESULTS = _ROOT / "bench" / "results" / "autoscale.json"
PLOT = _ROOT / "docs" / "autoscale.svg"

# The plot has a sample a second; who wants more than its figures has one in so many.
_KEPT = 5

app = App(help=__doc__)
_console = Console(soft_wrap=True)


class Record(BaseModel):
    """What `bench/results/autoscale.json` holds."""

    at: datetime
    commit: str
    machine: str
    plan: Plan
    finding: Finding


@app.default
def main(
    *,
    burst: int = 24_000,
    most: int = 4,
    logs: Path | None = None,
    results: Path = RESULTS,
    plot: Path = PLOT,
) -> None:
    """Run it; exit status 1 when anything is not as it should be.

    Args:
        burst: Posts of each of the two waves.
        most: How many workers the autoscaler may ask for.
        logs: Where KEDA and the workers log, to be looked at afterwards; a temporary folder by default.
        results: Where the figures are written.
        plot: Where the plot is drawn.
    """
    if not (binaries().exists() and keda_binaries().exists()):
        sys.exit(
            "The control plane and KEDA aren't built: `make test-autoscale` does, with Go 1.26 or later."
        )
    plan = Plan(burst=burst, shortened=Shortened(most=most))
    if logs is not None:
        logs.mkdir(parents=True, exist_ok=True)
    with nullcontext(logs) if logs else tempfile.TemporaryDirectory(prefix="rpbert-autoscale-") as folder:
        finding = run(plan, Path(folder).resolve(), _tell)
    record = Record(
        at=datetime.now(UTC).replace(microsecond=0),
        commit=commit_here(),
        machine=machine(),
        plan=plan,
        finding=finding.model_copy(update={"samples": finding.samples[::_KEPT]}),
    )
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
    draw(finding.samples, finding.marks, f"{record.at:%d %B %Y}, {record.machine}", plot)
    _show(finding)
    sys.exit(1 if finding.wrong else 0)


def _show(finding: Finding) -> None:
    table = Table(title="Autoscaling")
    table.add_column("what")
    for wave in finding.waves:
        table.add_column(wave.name, justify="right")
    for key in ("posts", "highest_lag", "reached_most", "drained", "back_to_one", "most_pods", "lag_left"):
        table.add_row(key.replace("_", " "), *(f"{getattr(wave, key):,}" for wave in finding.waves))
    _console.print(table)
    _console.print(f"{finding.workers} workers started, {len(finding.ended)} ended by themselves")
    _console.print("\n".join(finding.wrong) or "every post once, in order, under its key", markup=False)


def _tell(text: str) -> None:
    _console.print(f"{datetime.now(UTC):%H:%M:%S}  {text}", markup=False, highlight=False)


if __name__ == "__main__":
    app()
