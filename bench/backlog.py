"""Does memory stay flat? One worker behind a backlog of a million posts, then behind hostile records.

    python -m bench.backlog

The posts stand in the topic before the worker starts, so that it always has as many as it will take. The
network is the fault suite's, two narrow layers: what is measured is all that lies around it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from time import monotonic, sleep
from typing import Final

import psutil
from cyclopts import App
from kafka import KafkaProducer
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.faults.build import PARTITIONS, built
from tests.faults.record import commit_here, machine
from tests.faults.stage import Stage
from tests.faults.workload import Workload
from tests.hostile import hostile_records
from tests.model.tiny import save_tiny_release
from workers.local.kafka import KafkaCluster

RESULTS: Final = Path(__file__).parent / "results" / "backlog.json"

_SAMPLE_SECONDS: Final = 2.0
# What a worker has allocated by then it keeps: its queues are full and its caches have their size.
_SETTLED_SHARE: Final = 0.2
_OUTCOMES: Final = frozenset({"rpbert_posts_tagged", "rpbert_posts_dead_lettered"})
_MEBIBYTE: Final = 1024 * 1024

app = App(help=__doc__)
_console = Console(soft_wrap=True)


class Sample(BaseModel):
    """The worker at one moment: outcomes so far, resident memory of it and its decoders in MiB."""

    seconds: float
    outcomes: int
    resident: float


class Course(BaseModel):
    """What a worker went through.

    Attributes:
        records: Records that stood in the topic.
        outcomes: Results and dead letters when the time was over.
        early: Mean resident MiB in the second fifth of the run.
        late: Mean resident MiB in the last fifth.
        ratio: The one by the other.
        samples: All moments.
    """

    name: str
    records: int
    outcomes: int
    early: float
    late: float
    ratio: float
    samples: list[Sample]


class Report(BaseModel):
    """What `bench/results/backlog.json` holds."""

    commit: str
    machine: str
    load: float
    courses: list[Course]


@app.default
def main(
    *, posts: int = 1_000_000, hostile: int = 20_000, seconds: float = 240, results: Path = RESULTS
) -> None:
    """Measure both and write the figures.

    Args:
        posts: In the backlog; 0 to leave it out.
        hostile: Hostile records, seeded; 0 to leave them out.
        seconds: How long a worker is watched at most; it ends sooner when nothing is left.
        results: Where the figures are written.
    """
    report = Report(commit=commit_here(), machine=machine(), load=os.getloadavg()[1], courses=[])
    with tempfile.TemporaryDirectory(prefix="rpbert-backlog-") as folder, KafkaCluster() as kafka:
        release = save_tiny_release(Path(folder) / "tiny")
        for name, count, fill in (("backlog", posts, _posts), ("hostile", hostile, _hostile)):
            if not count:
                continue
            logs = Path(folder) / name
            logs.mkdir()
            with built(kafka, release, logs, pods=0) as (stage, workload):
                _fill(kafka, stage, fill(workload, count), count)
                report.courses.append(_watch(name, stage, count, seconds))
            results.parent.mkdir(parents=True, exist_ok=True)
            results.write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    _show(report)


_Record = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]


def _posts(workload: Workload, count: int) -> Iterator[_Record]:
    return ((workload.key(number), workload.value(number), []) for number in range(count))


def _hostile(_: Workload, count: int) -> Iterator[_Record]:
    return hostile_records(1, count)


def _fill(kafka: KafkaCluster, stage: Stage, records: Iterator[_Record], count: int) -> None:
    failures: list[BaseException] = []
    producer = KafkaProducer(
        bootstrap_servers=kafka.bootstrap_servers,
        acks="all",
        linger_ms=50,
        batch_size=256 * 1024,
        compression_type="lz4",
    )
    for number, (key, value, headers) in enumerate(track(records, "Filling the topic", total=count)):
        sending = producer.send(
            stage.topics[0], key=key, value=value, headers=headers, partition=number % PARTITIONS
        )
        sending.add_errback(failures.append)
    producer.flush()
    producer.close()
    if failures:
        raise SystemExit(f"{len(failures)} of {count} records could not be produced: {failures[0]}")


def _watch(name: str, stage: Stage, records: int, seconds: float) -> Course:
    stage.add_pods(1)
    worker = stage.workers["pod-0"]
    began, samples = monotonic(), list[Sample]()
    while monotonic() - began < seconds and (not samples or samples[-1].outcomes < records):
        sleep(_SAMPLE_SECONDS)
        samples.append(
            Sample(
                seconds=round(monotonic() - began, 1),
                outcomes=_outcomes(worker.metrics()),
                resident=round(_resident(worker.pid) / _MEBIBYTE, 1),
            )
        )
    stage.end()
    fifth = max(1, int(len(samples) * _SETTLED_SHARE))
    early, late = _mean(samples[fifth : 2 * fifth] or samples), _mean(samples[-fifth:])
    return Course(
        name=name,
        records=records,
        outcomes=samples[-1].outcomes,
        early=round(early, 1),
        late=round(late, 1),
        ratio=round(late / early, 3),
        samples=samples,
    )


def _mean(samples: list[Sample]) -> float:
    return fmean(sample.resident for sample in samples)


def _outcomes(metrics: str) -> int:
    return sum(
        int(sample.value)
        for family in text_string_to_metric_families(metrics)
        if family.name in _OUTCOMES
        for sample in family.samples
    )


def _resident(pid: int) -> int:
    """Bytes that a worker and its decoders hold; what they share counts for each."""
    worker = psutil.Process(pid)
    processes = [worker, *worker.children(recursive=True)]
    return sum(process.memory_info().rss for process in processes)


def _show(report: Report) -> None:
    table = Table(title="Resident memory of a worker, MiB")
    for column in ("behind", "records", "outcomes", "early", "late", "ratio"):
        table.add_column(column)
    for each in report.courses:
        table.add_row(
            each.name,
            f"{each.records:,}",
            f"{each.outcomes:,}",
            f"{each.early:.1f}",
            f"{each.late:.1f}",
            f"{each.ratio:.3f}",
        )
    _console.print(table)


if __name__ == "__main__":
    app()
