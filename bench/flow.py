"""Kafka to Kafka on one machine: topics that are full, and workers that are watched as they empty them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from time import perf_counter, sleep
from typing import Any, Final
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaProducer
from kafka.producer.future import FutureRecordMetadata
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from bench.posts import Posts
from workers.local.errors import LocalServiceError
from workers.local.kafka import KafkaCluster
from workers.local.valkey import ValkeyServer
from workers.local.worker_process import RPBERT_WORKER, WorkerProcess

PARTITIONS: Final = 12
# Posts that follow each other go to partitions that lie apart. One by one, a worker that has the first half
# of them would get six posts in a row, and then none for as long.
_STRIDE: Final = 5
_PATIENCE_SECONDS: Final = 240.0
_SHOWN_LINES: Final = 5
_LOOK_SECONDS: Final = 0.02
_BETWEEN_LOOKS_SECONDS: Final = 0.2
_SELDOM_SECONDS: Final = 1.0
_BATCHES: Final = "batch_posts_count"
_TAKEN: Final = "batch_posts_sum"


@dataclass
class Flow:
    """Topics of a run's own, and the workers on them.

    Attributes:
        bootstrap_servers: the broker.
        redis_url: Redis.
        release: what the workers serve.
        directory: where they log.
        topics: input, results, dead letters.
        stack: ends what was started.
    """

    bootstrap_servers: str
    redis_url: str
    release: str
    directory: Path
    topics: tuple[str, str, str]
    stack: ExitStack
    _names: Any = field(default_factory=count)

    def fill(self, posts: Posts, numbers: range) -> None:
        """Put posts into the input topic, spread evenly over its partitions.

        Raises:
            kafka.errors.KafkaError: one was not taken.
        """
        with self.producer(linger_ms=50) as producer:
            for future in [self.send(producer, posts, number) for number in numbers]:
                future.get(timeout=_PATIENCE_SECONDS)

    @contextmanager
    def producer(self, *, linger_ms: int) -> Iterator[KafkaProducer]:
        """A producer of posts, closed in the end."""
        producer = KafkaProducer(
            bootstrap_servers=self.bootstrap_servers,
            acks="all",
            linger_ms=linger_ms,
            batch_size=256 * 1024,
            compression_type="lz4",
        )
        try:
            yield producer
        finally:
            producer.close()

    def send(self, producer: KafkaProducer, posts: Posts, number: int) -> FutureRecordMetadata:
        """Send a post; its number says to which partition."""
        return producer.send(
            self.topics[0],
            key=posts.key(number),
            value=posts.value(number),
            partition=number * _STRIDE % PARTITIONS,
        )

    def launch(self, *flags: str, program: Sequence[str] = RPBERT_WORKER) -> WorkerProcess:
        """Start one more worker of the group and return at once."""
        raw, entities, dead = self.topics
        name = f"worker-{next(self._names)}"
        worker = WorkerProcess(
            [
                *("--bootstrap-servers", self.bootstrap_servers, "--group-id", raw),
                *("--input-topic", raw, "--output-topic", entities, "--dead-letter-topic", dead),
                *("--redis-url", self.redis_url, "--release", self.release),
                *("--allow-network", "127.0.0.0/8"),
                *flags,
            ],
            self.directory / f"{raw}-{name}.log",
            name=name,
            program=program,
        ).launch()
        self.stack.callback(worker.stop)
        return worker


@contextmanager
def flow(
    kafka: KafkaCluster, valkey: ValkeyServer, release: str, directory: Path, *, partitions: int = PARTITIONS
) -> Iterator[Flow]:
    """Topics of their own; workers that are left are ended."""
    mark = uuid4().hex[:8]
    raw, entities, dead = (f"{stem}.{mark}" for stem in ("posts.raw", "posts.entities", "posts.dlq"))
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    try:
        admin.create_topics(
            {name: {"num_partitions": partitions} for name in (raw, entities, dead)}, wait_for_metadata=True
        )
    finally:
        admin.close()
    with ExitStack() as stack:
        yield Flow(kafka.bootstrap_servers, valkey.url, release, directory, (raw, entities, dead), stack)


@dataclass(frozen=True, slots=True)
class Passage:
    """What workers did between two looks at them.

    Attributes:
        posts: that were committed, or dead-lettered.
        seconds: between the looks.
    """

    posts: int
    seconds: float

    @property
    def rate(self) -> float:
        """Posts a second."""
        return self.posts / self.seconds


def watch(workers: Sequence[WorkerProcess], *, after: int, until: int) -> Passage:
    """How fast workers go between their `after`-th and their `until`-th outcome, summed over all.

    Raises:
        tenacity.RetryError: they don't come that far in time.
        LocalServiceError: one of them has ended.
    """
    first = _await(workers, after)
    began = perf_counter()
    last = _await(workers, until)
    return Passage(last - first, perf_counter() - began)


def pace(worker: WorkerProcess, posts: int) -> Passage:
    """How fast a worker goes, over at least so many posts, from the beginning of one batch to another's.

    Posts count as they go into batches. Commits follow at the same pace, yet in lumps: of a partition only
    what has no gap before it is committed, and a batch is of like lengths.

    Raises:
        LocalServiceError: it has ended.
        TimeoutError: it stands still.
    """
    began, first = _next_batch(worker)
    until = began + _PATIENCE_SECONDS
    while (seen := told(worker, _TAKEN) - first) < posts:
        if perf_counter() > until:
            raise TimeoutError(f"{seen:.0f} of {posts} posts after {_PATIENCE_SECONDS:.0f} s")
        # Each look costs the worker some milliseconds, so it is looked at seldom before the end is near.
        left = (posts - seen) * (perf_counter() - began) / max(1.0, seen)
        sleep(min(_SELDOM_SECONDS, max(_LOOK_SECONDS, left / 2)))
    ended, last = _next_batch(worker)
    return Passage(int(last - first), ended - began)


def _next_batch(worker: WorkerProcess) -> tuple[float, float]:
    """When the next batch begins, and how many posts went into those before it."""
    until, before, taken = perf_counter() + _PATIENCE_SECONDS, told(worker, _BATCHES), told(worker, _TAKEN)
    while perf_counter() < until:
        page = worker.metrics()
        now = perf_counter()
        if _value(page, _BATCHES) > before:
            return now, taken
        taken = _value(page, _TAKEN)
        sleep(_LOOK_SECONDS)
    raise TimeoutError(f"no batch has begun for {_PATIENCE_SECONDS:.0f} s")


def outcomes(workers: Sequence[WorkerProcess]) -> int:
    """Results and dead letters that these workers have committed."""
    return int(
        sum(
            told(worker, "posts_tagged_total") + told(worker, "posts_dead_lettered_total")
            for worker in workers
        )
    )


def told(worker: WorkerProcess, name: str, **labels: str) -> float:
    """What a worker's metric `rpbert_{name}` says, the sum over all labels but these.

    Raises:
        LocalServiceError: the worker has ended.
        KeyError: it has no such metric.
    """
    if not worker.running:
        raise LocalServiceError(f"a worker has ended; its log's last lines:\n{_last_lines(worker.log_path)}")
    return _value(worker.metrics(), name, **labels)


def _value(page: str, name: str, **labels: str) -> float:
    """By hand: Prometheus' own parser takes ten milliseconds of the processors that are measured."""
    if not any(
        line.startswith("# TYPE") and f"rpbert_{name}".startswith(line.split()[2])
        for line in page.splitlines()
    ):
        raise KeyError(f"no metric of a worker is called rpbert_{name}")
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    return sum(
        float(line.rpartition(" ")[2])
        for line in page.splitlines()
        if line.startswith((f"rpbert_{name} ", f"rpbert_{name}{{")) and all(each in line for each in wanted)
    )


def _last_lines(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_SHOWN_LINES:])


def _await(workers: Sequence[WorkerProcess], posts: int) -> int:
    """Wait until workers have so many outcomes; how many they have then."""
    seen: int = Retrying(
        retry=retry_if_result(lambda seen: seen < posts),
        stop=stop_after_delay(_PATIENCE_SECONDS),
        wait=wait_fixed(_BETWEEN_LOOKS_SECONDS),
    )(outcomes, workers)
    return seen
