"""When results come to a reader with `read_committed`, by the number of their post."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Condition
from time import monotonic, perf_counter
from typing import Final, Self

from kafka import KafkaConsumer, TopicPartition

from bench.repeated import repeated


def committed(bootstrap_servers: str, topic: str) -> KafkaConsumer:
    """A reader with `read_committed` of all of a topic, from its beginning on."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        fetch_max_wait_ms=50,
    )
    partitions = consumer.partitions_for_topic(topic) or set()
    consumer.assign([TopicPartition(topic, number) for number in partitions])
    consumer.seek_to_beginning()
    return consumer


class Arrivals:
    """What has come by now."""

    def __init__(self) -> None:
        self._times: dict[int, float] = {}
        self._counts: Counter[int] = Counter()
        self._changed: Final = Condition()

    @classmethod
    @contextmanager
    def reading(cls, bootstrap_servers: str, topic: str) -> Iterator[Self]:
        """All results of a topic, read in a thread of its own; ids are numbers in decimal."""
        arrivals = cls()
        with (
            closing(committed(bootstrap_servers, topic)) as consumer,
            repeated(lambda: arrivals._poll(consumer), "arrivals"),
        ):
            yield arrivals

    @property
    def distinct(self) -> int:
        """How many posts have a result."""
        with self._changed:
            return len(self._times)

    def await_all(self, count: int, seconds: float) -> dict[int, float]:
        """Wait for so many posts' results; when each came first, on the clock of `perf_counter`.

        Raises:
            TimeoutError: fewer have come in time.
        """
        if not self.await_some(count, seconds):
            raise TimeoutError(f"{self.distinct} of {count} posts have a result after {seconds:.0f} s")
        with self._changed:
            return dict(self._times)

    def await_some(self, count: int, seconds: float) -> bool:
        """Whether so many posts have a result in time."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._times) >= count, timeout=seconds)

    def settle(self, quiet: float, most: float, *, count: int | None = None) -> None:
        """Wait until nothing has come for `quiet` seconds or `count` posts are there, at most `most`."""
        until = monotonic() + most
        with self._changed:
            while monotonic() < until and (count is None or len(self._times) < count):
                if not self._changed.wait(timeout=quiet):
                    return

    def doubled(self, numbers: range) -> int:
        """Results beyond the first of each of these posts."""
        with self._changed:
            return sum(self._counts[number] - 1 for number in numbers if self._counts[number])

    def lost(self, numbers: range) -> int:
        """How many of these posts have no result."""
        with self._changed:
            return sum(1 for number in numbers if not self._counts[number])

    def _poll(self, consumer: KafkaConsumer) -> None:
        polled = consumer.poll(timeout_ms=100)
        now = perf_counter()
        numbers = [int(json.loads(record.value)["id"]) for each in polled.values() for record in each]
        if not numbers:
            return
        with self._changed:
            for number in numbers:
                self._times.setdefault(number, now)
            self._counts.update(numbers)
            self._changed.notify_all()
