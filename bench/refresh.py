"""What does a change of release do to the output of running workers, and how soon is it there?

    python -m bench.refresh

Worker processes on one broker tag a steady stream of posts of two partitions while the channel that they
follow is pointed to and fro. For each change: the longest time in which a reader with `read_committed` got
nothing from a partition, beside that of a time as long just before; and the seconds until every partition has
results by the other release. At the end the workers get more posts than they can take at once, and so whole
batches: what one of those takes is the measure of a gap.

Channel and announcement are changed as the command does it, in this process: in life the command runs
elsewhere. Run it on an idle machine.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from shutil import copytree
from statistics import median, quantiles
from time import monotonic, sleep
from typing import Final, Literal

from cyclopts import App
from kafka import KafkaAdminClient, KafkaProducer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from bench.machine_pace import MachinePace
from bench.outputs import Outputs
from bench.repeated import repeated
from bench.whole_batch import whole_batch
from model.release import find_release, seal
from model.store.reference import ReleaseId
from model.store.store import ReleaseStore
from tests.faults.record import commit_here, machine
from tests.integration.following import TEXT
from tests.pipeline import Pipeline
from workers.local.kafka import KafkaCluster
from workers.releases.announcement import Announcer, announcements
from workers.settings import KafkaSettings

RESULTS: Final = Path(__file__).parent / "results" / "refresh.json"

_PARTITIONS: Final = 2
_NAME: Final = "changed"
_CHANNEL: Final = "stable"
_TOPICS: Final = ("posts.raw", "posts.entities", "posts.dlq")
_RELEASES: Final = "models.releases"
_SETTLE_SECONDS: Final = 5.0
# At least so long is watched before a change and from its beginning on; a change takes less.
_WATCH_SECONDS: Final = 2.5
_PATIENCE_SECONDS: Final = 60.0
# As many times as long as usual the same work took: the machine stood still.
_STOOD: Final = 4.0

app = App(help=__doc__)
_console = Console(soft_wrap=True)


class Change(BaseModel):
    """One change. All times are in seconds.

    Attributes:
        served: until every partition had a result by the other release.
        gap_before: the longest time without a result of a partition, in the time just before.
        gap: likewise from the change on, over the same time.
        slowdown_before: how many times as long as usual the same work took at most, in the time before.
        slowdown: likewise from the change on.
    """

    kind: Literal["publish", "rollback"]
    served: float
    gap_before: float
    gap: float
    slowdown_before: float
    slowdown: float

    @property
    def more(self) -> float:
        """What the gap is longer than the one before, in seconds."""
        return self.gap - self.gap_before

    @property
    def machine_stood(self) -> bool:
        """Whether nothing on the machine kept its pace, before or meanwhile."""
        return max(self.slowdown, self.slowdown_before) >= _STOOD


class Report(BaseModel):
    """What `bench/results/refresh.json` holds.

    Attributes:
        batch_posts: posts of a batch behind a backlog, on average.
        batch_seconds: what such a batch takes, on average.
    """

    commit: str
    machine: str
    load: float
    release: str
    workers: int
    posts_a_second: float
    batch_posts: float = 0.0
    batch_seconds: float = 0.0
    changes: list[Change] = []


@app.default
def main(
    *,
    release: str = "small",
    workers: Literal[1, 2] = 2,
    rounds: int = 20,
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
        store = _store(release, folder, rounds)
        pipeline.release = f"{store.url}#{_CHANNEL}"
        processes = [
            pipeline.worker("--release-topic", _RELEASES, "--release-poll-seconds", "3600", ready=False)
            for _ in range(workers)
        ]
        for process in processes:
            process.wait_ready()
        servers = pipeline.bootstrap_servers
        following = KafkaSettings(bootstrap_servers=servers, release_topic=_RELEASES)
        announcer = stack.enter_context(Announcer.connected(following))
        outputs = stack.enter_context(Outputs.reading(servers, pipeline.topics[1]))
        pace = stack.enter_context(MachinePace.watched())
        report = Report(
            commit=commit_here(),
            machine=machine(),
            load=os.getloadavg()[1],
            release=release,
            workers=workers,
            posts_a_second=posts_a_second,
        )
        with _steady_stream(pipeline, posts_a_second):
            changes = _Changes(store, announcer, outputs, pace)
            changes.settle()
            for number in range(1, rounds + 1):
                report.changes.append(changes.publish(str(number)))
                report.changes.append(changes.roll_back())
        report.batch_posts, report.batch_seconds = whole_batch(processes, partial(_fill, pipeline))
    output.write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    _show(report)


@dataclass(frozen=True, slots=True)
class _Changes:
    store: ReleaseStore
    announcer: Announcer
    outputs: Outputs
    pace: MachinePace

    def settle(self) -> None:
        """Let the workers run until all is as usual."""
        self._await("0", monotonic())
        sleep(_SETTLE_SECONDS)

    def publish(self, version: str) -> Change:
        """Point the channel at a version that no worker has seen."""
        release = ReleaseId(_NAME, version)
        return self._measure(
            "publish", version, lambda: self.store.point(_CHANNEL, release, by="bench", reason="measured")
        )

    def roll_back(self) -> Change:
        """Point it at the first one again, which they have loaded before."""
        return self._measure(
            "rollback", "0", lambda: self.store.roll_back(_CHANNEL, by="bench", reason="measured")
        )

    def _measure(
        self, kind: Literal["publish", "rollback"], after: str, change: Callable[[], object]
    ) -> Change:
        """Make a change, with as much time before it as it is watched."""
        quiet = monotonic()
        sleep(_WATCH_SECONDS)
        began = monotonic()
        change()
        self.announcer.announce(announcements(self.store, _CHANNEL))
        served = self._await(after, began)
        sleep(max(0.0, began + _WATCH_SECONDS - monotonic()))
        until = began + _WATCH_SECONDS
        seen = Change(
            kind=kind,
            served=round(served, 2),
            gap_before=round(self.outputs.longest_gap(quiet, began), 3),
            gap=round(self.outputs.longest_gap(began, until), 3),
            slowdown_before=round(self.pace.slowest(quiet, began), 1),
            slowdown=round(self.pace.slowest(began, until), 1),
        )
        _console.print(seen.model_dump_json(), markup=False)
        return seen

    def _await(self, version: str, since: float) -> float:
        while not self.outputs.in_all_partitions(since, version):
            if monotonic() > since + _PATIENCE_SECONDS:
                raise TimeoutError("the workers give nothing by that release; their logs say why")
            sleep(0.02)
        return monotonic() - since


@contextmanager
def _steady_stream(pipeline: Pipeline, posts_a_second: float) -> Iterator[None]:
    """Posts until the end, one partition's after the other's: what comes in has no gaps of its own."""
    began, numbers = monotonic(), count()

    def next_post() -> None:
        number = next(numbers)
        sleep(max(0.0, began + number / posts_a_second - monotonic()))
        _send(producer, pipeline, number)

    with (
        closing(
            KafkaProducer(bootstrap_servers=pipeline.bootstrap_servers, acks="all", linger_ms=5)
        ) as producer,
        repeated(next_post, "stream"),
    ):
        yield


def _send(producer: KafkaProducer, pipeline: Pipeline, number: int) -> None:
    post = json.dumps({"id": str(number), "text": TEXT}).encode()
    producer.send(pipeline.topics[0], value=post, partition=number % _PARTITIONS)


def _fill(pipeline: Pipeline, posts: int) -> None:
    with closing(
        KafkaProducer(bootstrap_servers=pipeline.bootstrap_servers, acks="all", linger_ms=50)
    ) as producer:
        for number in range(posts):
            _send(producer, pipeline, number)


def _pipeline(kafka: KafkaCluster, stack: ExitStack, folder: Path) -> Pipeline:
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    topics: dict[str, dict[str, object]] = {name: {"num_partitions": _PARTITIONS} for name in _TOPICS}
    topics[_RELEASES] = {"num_partitions": 1, "configs": {"cleanup.policy": "compact"}}
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
    directory = copytree(find_release(release), folder / "release")
    for number in range(rounds + 1):
        seal(directory, name=_NAME, version=str(number))
        store.add(directory)
    store.point(_CHANNEL, ReleaseId(_NAME, "0"), by="bench", reason="the first")
    return store


def _show(report: Report) -> None:
    table = Table(title="Seconds: median / 9 of 10 / most")
    kinds = ("publish", "rollback")
    for column in ("", *kinds):
        table.add_column(column)
    for name in ("served", "gap_before", "gap", "more"):
        rows = [[getattr(each, name) for each in report.changes if each.kind == kind] for kind in kinds]
        table.add_row(
            name,
            *(
                f"{median(each):.3f} / {quantiles(each, n=10, method='inclusive')[-1]:.3f} / {max(each):.3f}"
                for each in rows
            ),
        )
    _console.print(table)
    longer = [each for each in report.changes if each.more > report.batch_seconds]
    _console.print(
        f"A batch of {report.batch_posts} posts behind a backlog takes {report.batch_seconds} s. "
        f"{len(longer)} of {len(report.changes)} gaps were longer than the one before by more, "
        f"{sum(each.machine_stood for each in longer)} of them where the machine stood still; it did in "
        f"{sum(each.machine_stood for each in report.changes)}."
    )


if __name__ == "__main__":
    app()
