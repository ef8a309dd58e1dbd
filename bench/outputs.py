"""Results as a reader with `read_committed` has them: when, of which partition, by which release."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from threading import Lock
from time import monotonic
from typing import Final, Self

from kafka import KafkaConsumer

from bench.arrivals import committed
from bench.repeated import repeated
from schemas import TaggedPost


@dataclass(frozen=True, slots=True)
class Output:
    """A result: when it was read, by `monotonic`, its post's partition, its release's version."""

    at: float
    partition: int
    version: str


class Outputs:
    """The results of posts of so many partitions."""

    def __init__(self, partitions: int) -> None:
        self._partitions: Final = range(partitions)
        self._seen: list[Output] = []
        self._lock: Final = Lock()

    @classmethod
    @contextmanager
    def reading(cls, bootstrap_servers: str, topic: str) -> Iterator[Self]:
        """All results of a topic, which has as many partitions as the posts', read in a thread of its own."""
        with closing(committed(bootstrap_servers, topic)) as consumer:
            outputs = cls(len(consumer.assignment()))
            with repeated(lambda: outputs._poll(consumer), "outputs"):
                yield outputs

    def add(self, outputs: list[Output]) -> None:
        """These were read, in the order of their times."""
        with self._lock:
            self._seen += outputs

    def between(self, since: float, until: float) -> list[Output]:
        """Those that were read in that time."""
        with self._lock:
            return [each for each in self._seen if since <= each.at <= until]

    def in_all_partitions(self, since: float, version: str) -> bool:
        """Whether every partition has had a result of that version."""
        found = {each.partition for each in self.between(since, monotonic()) if each.version == version}
        return found == set(self._partitions)

    def longest_gap(self, since: float, until: float) -> float:
        """Seconds from one result to the next of the same partition, of any partition."""
        outputs = self.between(since, until)
        gaps = []
        for partition in self._partitions:
            times = [each.at for each in outputs if each.partition == partition]
            gaps += [later - sooner for sooner, later in pairwise([since, *times, until])]
        return max(gaps)

    def _poll(self, consumer: KafkaConsumer) -> None:
        for records in consumer.poll(timeout_ms=50).values():
            now = monotonic()
            results = [TaggedPost.model_validate_json(record.value) for record in records]
            self.add([Output(now, each.source.partition, each.release.version) for each in results])
