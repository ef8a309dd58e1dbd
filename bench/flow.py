"""Kafka to Kafka on one machine: topics that are full, and workers that are watched as they empty them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from time import perf_counter
from typing import Any, Final
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaProducer
from prometheus_client.parser import text_string_to_metric_families
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from bench.posts import Posts
from workers.local.kafka import KafkaCluster
from workers.local.valkey import ValkeyServer
from workers.local.worker_process import RPBERT_WORKER, WorkerProcess

PARTITIONS: Final = 12
_PATIENCE_SECONDS: Final = 240.0
_LOOK_SECONDS: Final = 0.1


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
        producer = KafkaProducer(
            bootstrap_servers=self.bootstrap_servers,
            acks="all",
            linger_ms=50,
            batch_size=256 * 1024,
            compression_type="lz4",
        )
        try:
            futures = [
                producer.send(
                    self.topics[0],
                    key=posts.key(number),
                    value=posts.value(number),
                    partition=number % PARTITIONS,
                )
                for number in numbers
            ]
            for future in futures:
                future.get(timeout=_PATIENCE_SECONDS)
        finally:
            producer.close()

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
    """
    _await(workers, after)
    began, first = perf_counter(), outcomes(workers)
    _await(workers, until)
    seconds = perf_counter() - began
    return Passage(outcomes(workers) - first, seconds)


def outcomes(workers: Sequence[WorkerProcess]) -> int:
    """Results and dead letters that these workers have committed."""
    return int(
        sum(
            told(worker, "posts_tagged_total") + told(worker, "posts_dead_lettered_total")
            for worker in workers
        )
    )


def told(worker: WorkerProcess, name: str, **labels: str) -> float:
    """What a worker's metric `rpbert_{name}` says, the sum over all labels but these."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(worker.metrics())
        for sample in family.samples
        if sample.name == f"rpbert_{name}" and labels.items() <= sample.labels.items()
    )


def _await(workers: Sequence[WorkerProcess], posts: int) -> None:
    Retrying(
        retry=retry_if_result(lambda seen: seen < posts),
        stop=stop_after_delay(_PATIENCE_SECONDS),
        wait=wait_fixed(_LOOK_SECONDS),
    )(outcomes, workers)
