"""How long does a partition stand still? A rolling restart, a kill, a worker that joins, each on its own.

    python -m bench.gaps

Posts come at a steady rate in every partition; the figure is the longest time in which a reader with
`read_committed` got nothing new from one of them. Worker starts weigh most: run it on an idle machine.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from time import monotonic, sleep
from typing import Final

from cyclopts import App
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from tests.faults.build import PARTITIONS, built
from tests.faults.checker import Checker, Outcome
from tests.faults.feeder import Feeder
from tests.faults.reader import Reader
from tests.faults.record import commit_here, machine
from tests.faults.stage import Stage
from tests.faults.trickle import Trickle
from tests.model.tiny import save_tiny_release
from workers.local.kafka import KafkaCluster

RESULTS: Final = Path(__file__).parent / "results" / "gaps.json"

_BEFORE_SECONDS: Final = 8.0
_REST_SECONDS: Final = 120.0
_PODS: Final = 3
# The shortest session that a broker allows by default, and what has to be shorter with it.
_SHORT: Final = ("--session-timeout-ms", "6000", "--drain-timeout", "4", "--transaction-timeout-ms", "5000")

app = App(help=__doc__)
_console = Console(soft_wrap=True)


@dataclass(frozen=True)
class Case:
    """One thing that is done to three workers, and how long the output is watched from then on."""

    name: str
    act: Callable[[Stage], None]
    watch_seconds: float
    static: bool = True
    flags: Sequence[str] = ()


class Gap(BaseModel):
    """What a case showed, in seconds."""

    case: str
    static: bool
    flags: str
    before: float
    longest: float
    wrong: list[str]


class Report(BaseModel):
    """What `bench/results/gaps.json` holds."""

    commit: str
    machine: str
    load: float
    gaps: list[Gap]


class Arrivals:
    """When each partition last had an outcome, and the longest it had none."""

    def __init__(self) -> None:
        self._last: dict[int, float] = {}
        self._longest = 0.0
        self._lock = Lock()

    def note(self, partition: int) -> None:
        """An outcome of this partition has come."""
        with self._lock:
            now = monotonic()
            self._longest = max(self._longest, now - self._last.get(partition, now))
            self._last[partition] = now

    def longest(self) -> float:
        """The longest gap since the last call, one that still lasts included."""
        with self._lock:
            now = monotonic()
            longest = max([self._longest, *(now - last for last in self._last.values())])
            self._longest = 0.0
            return longest


def restart_one_after_the_other(stage: Stage) -> None:
    """As a StatefulSet is rolled: end one in order, start it again, wait until it is ready, then the next."""
    for worker in list(stage.workers.values()):
        worker.stop()
        worker.launch().wait_ready()


def kill_and_start_again(stage: Stage) -> None:
    """As a container that crashes."""
    stage.kill(0)


def kill(stage: Stage) -> None:
    """As a node that is lost: nobody comes back."""
    stage.workers["pod-0"].kill()


def join(stage: Stage) -> None:
    """One more."""
    stage.join()


CASES: Final = (
    Case("kill -9, started again", kill_and_start_again, 30),
    Case("one more joins", join, 30),
    Case("rolling restart", restart_one_after_the_other, 40),
    Case("rolling restart", restart_one_after_the_other, 40, static=False),
    Case("kill -9, nobody comes back", kill, 30, static=False, flags=_SHORT),
    Case("kill -9, nobody comes back", kill, 60),
)


@app.default
def main(*, results: Path = RESULTS) -> None:
    """Measure every case on three brokers and write the figures.

    Args:
        results: Where the figures are written.
    """
    report = Report(commit=commit_here(), machine=machine(), load=os.getloadavg()[1], gaps=[])
    with tempfile.TemporaryDirectory(prefix="rpbert-gaps-") as folder, KafkaCluster(3) as kafka:
        release = save_tiny_release(Path(folder) / "tiny")
        for number, case in enumerate(CASES):
            logs = Path(folder) / str(number)
            logs.mkdir()
            report.gaps.append(measure(case, kafka, release, logs))
            _console.print(report.gaps[-1].model_dump_json(), markup=False)
            results.parent.mkdir(parents=True, exist_ok=True)
            results.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    _show(report)


def measure(case: Case, kafka: KafkaCluster, release: Path, logs: Path) -> Gap:
    """Run one case on topics and workers of its own."""
    with built(kafka, release, logs, pods=_PODS, static=case.static, flags=case.flags) as (stage, workload):
        raw, entities, dead = stage.topics
        checker, arrivals = Checker(workload.key), Arrivals()

        def take(outcome: Outcome) -> None:
            arrivals.note(outcome.partition)
            checker.take(outcome)

        servers = kafka.bootstrap_servers
        reader = Reader(servers, results=entities, dead_letters=dead, partitions=PARTITIONS, take=take)
        feeder = Feeder(servers, raw, PARTITIONS, workload)
        reader.start()
        feeder.start()
        trickle = Trickle(feeder)
        trickle.go_on(_BEFORE_SECONDS)
        arrivals.longest()
        trickle.go_on(_BEFORE_SECONDS)
        before = arrivals.longest()
        with ThreadPoolExecutor(1) as actors:
            acting = actors.submit(case.act, stage)
            trickle.go_on(case.watch_seconds, at_least=acting)
        longest = arrivals.longest()
        acting.result()
        feeder.close()
        _await_all(checker, len(feeder.ledger))
        stage.end()
        reader.close()
        return Gap(
            case=case.name,
            static=case.static,
            flags=" ".join(case.flags),
            before=round(before, 2),
            longest=round(longest, 2),
            wrong=checker.findings(feeder.ledger),
        )


def _await_all(checker: Checker, posts: int) -> None:
    until = monotonic() + _REST_SECONDS
    while checker.distinct < posts and monotonic() < until:
        sleep(0.1)


def _show(report: Report) -> None:
    table = Table(title="Longest gap in the output of a partition, seconds")
    for column in ("case", "static", "flags", "before", "longest"):
        table.add_column(column)
    for gap in report.gaps:
        table.add_row(gap.case, str(gap.static), gap.flags, f"{gap.before:.2f}", f"{gap.longest:.2f}")
    _console.print(table)


if __name__ == "__main__":
    app()
