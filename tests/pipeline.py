"""A Kafka-to-Kafka pipeline of a test's own: topics, workers as real processes, and what comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any, Final, TypeVar

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from schemas import DeadLetter, TaggedPost
from workers.local.worker_process import RPBERT_WORKER, WorkerProcess

PATIENCE_SECONDS: Final = 120.0

T = TypeVar("T")
Record = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]


@dataclass
class Pipeline:
    """Three topics and the workers on them."""

    bootstrap_servers: str
    redis_url: str
    release: str
    topics: tuple[str, str, str]
    partitions: int
    directory: Path
    stack: ExitStack
    names: Any = field(default_factory=count)

    def worker(
        self, *flags: str, ready: bool = True, program: Sequence[str] = RPBERT_WORKER
    ) -> WorkerProcess:
        """Start one more worker of the group; stopped at the end of the test."""
        raw, entities, dead = self.topics
        name = f"worker-{next(self.names)}"
        worker = WorkerProcess(
            [
                *("--bootstrap-servers", self.bootstrap_servers, "--group-id", raw),
                *("--input-topic", raw, "--output-topic", entities, "--dead-letter-topic", dead),
                *("--redis-url", self.redis_url, "--release", self.release, "--dtype", "float32"),
                *("--allow-network", "127.0.0.0/8"),
                *flags,
            ],
            self.directory / f"{name}.log",
            name=name,
            program=program,
        ).launch()
        self.stack.callback(worker.stop)
        return worker.wait_ready() if ready else worker

    def produce(self, records: Sequence[Record]) -> list[tuple[int, int]]:
        """Produce (key, value, headers) and return where each stands: (partition, offset)."""
        producer = KafkaProducer(bootstrap_servers=self.bootstrap_servers)
        try:
            futures = [
                producer.send(self.topics[0], key=key, value=value, headers=headers)
                for key, value, headers in records
            ]
            places = [future.get(timeout=30) for future in futures]
            return [(place.partition, place.offset) for place in places]
        finally:
            producer.close()

    def results(self, expected: int) -> list[tuple[Any, TaggedPost]]:
        """The committed results, once `expected` posts have one; a doubled post stands there twice."""
        return self._read(
            self.topics[1],
            expected,
            lambda record: TaggedPost.model_validate_json(record.value),
            lambda result: (result.source.partition, result.source.offset),
        )

    def dead_letters(self, expected: int) -> list[tuple[Any, DeadLetter]]:
        """The committed dead letters, once `expected` posts have one; a doubled one stands there twice."""
        return self._read(
            self.topics[2],
            expected,
            lambda record: DeadLetter.from_headers(record.headers),
            lambda letter: (letter.partition, letter.offset),
        )

    def _read(
        self,
        topic: str,
        expected: int,
        parse: Callable[[Any], T],
        place: Callable[[T], tuple[int, int]],
    ) -> list[tuple[Any, T]]:
        consumer = KafkaConsumer(
            bootstrap_servers=self.bootstrap_servers,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        found: list[tuple[Any, T]] = []

        def poll() -> None:
            for records in consumer.poll(timeout_ms=200).values():
                found.extend((record, parse(record)) for record in records)

        try:
            consumer.assign([TopicPartition(topic, number) for number in range(self.partitions)])
            deadline = monotonic() + PATIENCE_SECONDS
            # Places, not records: at-least-once may write some posts twice before it has written all.
            while len({place(each) for _, each in found}) < expected and monotonic() < deadline:
                poll()
            # Whatever was doubled would come now.
            for _ in range(3):
                poll()
            return found
        finally:
            consumer.close()


@contextmanager
def pipeline_on(
    bootstrap_servers: str, topics: Sequence[str], *, redis_url: str, release: Path, directory: Path
) -> Iterator[Pipeline]:
    """A pipeline on three topics of four partitions; its workers are stopped at the end."""
    raw, entities, dead = topics
    with ExitStack() as stack:
        yield Pipeline(
            bootstrap_servers=bootstrap_servers,
            redis_url=redis_url,
            release=str(release),
            topics=(raw, entities, dead),
            partitions=4,
            directory=directory,
            stack=stack,
        )


def told(worker: WorkerProcess, name: str, **labels: str) -> float:
    """What a worker's metric `rpbert_{name}` says, the sum over all labels but these; 0 before it moved."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(worker.metrics())
        for sample in family.samples
        if sample.name == f"rpbert_{name}" and labels.items() <= sample.labels.items()
    )
