"""What does a change of release do to the output of running workers, and how soon is a rollback there?

    python -m bench.refresh

Worker processes on one broker tag a steady stream of posts of two partitions. Releases are published and
rolled back by the command. For each change: the longest time in which a reader with `read_committed` got
nothing from a partition, beside that of a time as long just before; and the seconds from the command to the
first result by the other release, of the first partition and of the last.

In life the command runs elsewhere. Here it takes processor time from the workers, so in the time before each
change the same command runs too, on a store that no worker follows. Run it on an idle machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from shutil import copytree
from statistics import median
from threading import Event, Lock, Thread
from time import monotonic, sleep
from typing import Final, Literal

from cyclopts import App
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from model.release import find_release, seal
from model.store.reference import ReleaseId
from model.store.store import ReleaseStore
from schemas import TaggedPost
from tests.faults.record import commit_here, machine
from tests.integration.following import steady_stream
from tests.pipeline import Pipeline, told
from workers.local.kafka import KafkaCluster
from workers.local.worker_process import WorkerProcess

RESULTS: Final = Path(__file__).parent / "results" / "refresh.json"

_PARTITIONS: Final = 2
_NAME: Final = "changed"
_TOPICS: Final = ("posts.raw", "posts.entities", "posts.dlq")
_RELEASES: Final = "models.releases"
_OTHER_RELEASES: Final = "models.releases.elsewhere"
# At least so long is watched before a change and from its beginning on; a change takes less.
_WATCH_SECONDS: Final = 10.0
_PATIENCE_SECONDS: Final = 60.0

app = App(help=__doc__)
_console = Console(soft_wrap=True)


class Change(BaseModel):
    """One change. All times are in seconds.

    Attributes:
        command: how long the command ran.
        command_before: how long the same command ran on the other store.
        first: from the command's start to the first result by the other release.
        last: until every partition had one.
        last_before: until the last result by the release before.
        gap_before: the longest time without a result of a partition, in the time just before.
        gap: likewise from the command's start on, over the same time.
        batch_before: mean of a batch, in the time just before.
        batch: likewise from the command's start on.
    """

    kind: Literal["publish", "rollback"]
    command: float
    command_before: float
    first: float
    last: float
    last_before: float
    gap_before: float
    gap: float
    batch_before: float
    batch: float


class Report(BaseModel):
    """What `bench/results/refresh.json` holds."""

    commit: str
    machine: str
    load: float
    release: str
    workers: int
    posts_a_second: float
    changes: list[Change]


@dataclass(frozen=True, slots=True)
class _Arrival:
    at: float
    partition: int
    version: str


class _Arrivals:
    """Every result of the workers, and when a reader had it."""

    def __init__(self, bootstrap_servers: str, topic: str) -> None:
        self._partitions = [TopicPartition(topic, number) for number in range(_PARTITIONS)]
        self._consumer = KafkaConsumer(
            bootstrap_servers=bootstrap_servers, isolation_level="read_committed", enable_auto_commit=False
        )
        self._seen: list[_Arrival] = []
        self._lock = Lock()
        self._ending = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self._consumer.assign(self._partitions)
        self._consumer.seek_to_beginning()
        self._thread.start()

    def close(self) -> None:
        self._ending.set()
        self._thread.join()
        self._consumer.close()

    def between(self, since: float, until: float) -> list[_Arrival]:
        with self._lock:
            return [each for each in self._seen if since <= each.at <= until]

    def longest_gap(self, since: float, until: float) -> float:
        """Of any partition, from one result to the next."""
        gaps = []
        for partition in range(_PARTITIONS):
            times = [each.at for each in self.between(since, until) if each.partition == partition]
            gaps += [later - sooner for sooner, later in pairwise([since, *times, until])]
        return max(gaps)

    def _run(self) -> None:
        while not self._ending.is_set():
            for records in self._consumer.poll(timeout_ms=50).values():
                now = monotonic()
                results = [TaggedPost.model_validate_json(record.value) for record in records]
                with self._lock:
                    self._seen += [
                        _Arrival(now, result.source.partition, result.release.version) for result in results
                    ]


@app.default
def main(
    *,
    release: str = "small",
    workers: Literal[1, 2] = 2,
    rounds: int = 4,
    posts_a_second: float = 60,
    output: Path = RESULTS,
) -> None:
    """Write `refresh.json`.

    Args:
        release: what is changed for itself under other versions.
        workers: how many share the two partitions; one has a core of this machine to load beside.
        rounds: how often a version is published and rolled back.
        posts_a_second: of the stream.
        output: the file.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rpbert-refresh-")))
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        kafka = stack.enter_context(KafkaCluster())
        pipeline = _pipeline(kafka, stack, folder)
        store, elsewhere = (_store(release, folder / name, rounds) for name in ("followed", "elsewhere"))
        pipeline.release = f"{store.url}#stable"
        processes = [
            pipeline.worker("--release-topic", _RELEASES, "--release-poll-seconds", "3600", ready=False)
            for _ in range(workers)
        ]
        for process in processes:
            process.wait_ready()
        stack.enter_context(steady_stream(pipeline, pause=1 / posts_a_second))
        arrivals = _Arrivals(pipeline.bootstrap_servers, pipeline.topics[1])
        stack.callback(arrivals.close)
        changes = _Changes(processes, arrivals, (store, elsewhere), pipeline.bootstrap_servers)
        changes.settle()
        report = Report(
            commit=commit_here(),
            machine=machine(),
            load=os.getloadavg()[1],
            release=release,
            workers=workers,
            posts_a_second=posts_a_second,
            changes=[],
        )
        for number in range(1, rounds + 1):
            report.changes.append(changes.measure("publish", before="0", after=str(number)))
            report.changes.append(changes.measure("rollback", before=str(number), after="0"))
            output.write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    _show(report)


class _Changes:
    def __init__(
        self,
        workers: Sequence[WorkerProcess],
        arrivals: _Arrivals,
        stores: tuple[ReleaseStore, ReleaseStore],
        servers: str,
    ) -> None:
        """Make changes.

        Args:
            workers: those that follow the first store.
            arrivals: their results.
            stores: the one that is followed, and one like it.
            servers: Kafka's.
        """
        self._workers = workers
        self._arrivals = arrivals
        self._store, self._elsewhere = stores
        self._servers = servers

    def settle(self) -> None:
        """Wait until every partition has results."""
        began = monotonic()
        while {each.partition for each in self._arrivals.between(began, monotonic())} != set(
            range(_PARTITIONS)
        ):
            self._hold(began)

    def measure(self, kind: Literal["publish", "rollback"], *, before: str, after: str) -> Change:
        """Make a change, with as much time before it as it is watched."""
        change = {"publish": (f"{_NAME}/{after}",), "rollback": ("--reason", "measured")}[kind]
        batches, quiet = self._batches(), monotonic()
        took_before = self._command(kind, *change, store=self._elsewhere, topic=_OTHER_RELEASES)
        sleep(max(0.0, quiet + _WATCH_SECONDS - monotonic()))
        before_batches, began = self._batches(), monotonic()
        took = self._command(kind, *change, store=self._store, topic=_RELEASES)
        while {each.partition for each in self._by(after, began)} != set(range(_PARTITIONS)):
            self._hold(began)
        sleep(max(0.0, began + _WATCH_SECONDS - monotonic()))
        until, after_batches = monotonic(), self._batches()
        firsts = [
            min(each.at for each in self._by(after, began) if each.partition == partition) - began
            for partition in range(_PARTITIONS)
        ]
        seen = Change(
            kind=kind,
            command=round(took, 2),
            command_before=round(took_before, 2),
            first=round(min(firsts), 2),
            last=round(max(firsts), 2),
            last_before=round(max(each.at for each in self._by(before, began)) - began, 2),
            gap_before=round(self._arrivals.longest_gap(quiet, began), 3),
            gap=round(self._arrivals.longest_gap(began, until), 3),
            batch_before=_mean(batches, before_batches),
            batch=_mean(before_batches, after_batches),
        )
        _console.print(seen.model_dump_json(), markup=False)
        return seen

    def _command(self, *change: str, store: ReleaseStore, topic: str) -> float:
        """Run it with what the workers leave of the processors, and tell how long it took."""
        began = monotonic()
        where = ("--store", store.url, "--bootstrap-servers", self._servers, "--release-topic", topic)
        command = [sys.executable, "-m", "workers.cli", "releases", *change, *where]
        subprocess.run(  # noqa: S603 - our own command
            ["/usr/bin/env", "nice", "-n", "19", *command], check=True, capture_output=True
        )
        return monotonic() - began

    def _by(self, version: str, since: float) -> list[_Arrival]:
        return [each for each in self._arrivals.between(since, monotonic()) if each.version == version]

    def _batches(self) -> tuple[float, float]:
        """Seconds that batches took until now, and how many there were."""
        seconds, count = (
            sum(told(worker, f"stage_duration_seconds_{part}", stage="tag") for worker in self._workers)
            for part in ("sum", "count")
        )
        return seconds, count

    def _hold(self, since: float) -> None:
        if monotonic() > since + _PATIENCE_SECONDS:
            raise TimeoutError("the workers give nothing; their logs say why")
        sleep(0.05)


def _mean(sooner: tuple[float, float], later: tuple[float, float]) -> float:
    return round((later[0] - sooner[0]) / max(1.0, later[1] - sooner[1]), 4)


def _pipeline(kafka: KafkaCluster, stack: ExitStack, folder: Path) -> Pipeline:
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    topics: dict[str, dict[str, object]] = {name: {"num_partitions": _PARTITIONS} for name in _TOPICS}
    for name in (_RELEASES, _OTHER_RELEASES):
        topics[name] = {"num_partitions": 1, "configs": {"cleanup.policy": "compact"}}
    admin.create_topics(topics, wait_for_metadata=True)
    admin.close()
    return Pipeline(
        bootstrap_servers=kafka.bootstrap_servers,
        redis_url="",
        release="",
        topics=_TOPICS,
        partitions=_PARTITIONS,
        directory=folder,
        stack=stack,
    )


def _store(release: str, folder: Path, rounds: int) -> ReleaseStore:
    store = ReleaseStore(str(folder / "store"))
    for number in range(rounds + 1):
        version = str(number)
        copytree(find_release(release), folder / version)
        seal(folder / version, name=_NAME, version=version)
        store.add(folder / version)
    store.point("stable", ReleaseId(_NAME, "0"), by="bench", reason="the first")
    return store


def _show(report: Report) -> None:
    table = Table(title="Seconds, median and most of each kind of change")
    kinds = ("publish", "rollback")
    table.add_column("")
    for kind in kinds:
        table.add_column(kind)
    fields = [name for name in Change.model_fields if name != "kind"]
    for name in fields:
        values = [[getattr(each, name) for each in report.changes if each.kind == kind] for kind in kinds]
        table.add_row(name, *(f"{median(each):.3f} / {max(each):.3f}" for each in values))
    _console.print(table)


if __name__ == "__main__":
    app()
