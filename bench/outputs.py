"""Results as a reader with `read_committed` has them: when, of which partition, by which release."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from threading import Event, Lock, Thread
from time import monotonic
from types import TracebackType
from typing import Final, Self

from kafka import KafkaConsumer, TopicPartition

from schemas import TaggedPost


@dataclass(frozen=True, slots=True)
class Output:
    """A result: when it was read, by `monotonic`, its post's partition, its release's version."""

    at: float
    partition: int
    version: str


class Outputs:
    """Reads a topic of results in a thread of its own.

    Args:
        bootstrap_servers: the broker.
        topic: of the results.
        partitions: how many it has.
    """

    def __init__(self, bootstrap_servers: str, topic: str, partitions: int) -> None:
        self._partitions: Final = range(partitions)
        self._consumer = KafkaConsumer(
            bootstrap_servers=bootstrap_servers, isolation_level="read_committed", enable_auto_commit=False
        )
        self._consumer.assign([TopicPartition(topic, number) for number in self._partitions])
        self._consumer.seek_to_beginning()
        self._seen: list[Output] = []
        self._lock: Final = Lock()
        self._ending: Final = Event()
        self._thread: Final = Thread(target=self._run, name="outputs", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()
        self._consumer.close()

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

    def _run(self) -> None:
        while not self._ending.is_set():
            for records in self._consumer.poll(timeout_ms=50).values():
                now = monotonic()
                results = [TaggedPost.model_validate_json(record.value) for record in records]
                with self._lock:
                    self._seen += [
                        Output(now, result.source.partition, result.release.version) for result in results
                    ]
