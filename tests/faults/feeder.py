"""Produces the posts of a run, never far ahead of what has come out."""

from __future__ import annotations

from itertools import count
from threading import Event, Thread
from typing import Any, Final

from kafka import KafkaProducer

from tests.faults.ledger import Ledger
from tests.faults.workload import Workload

_LOOK_SECONDS: Final = 0.05


class Feeder:
    """A producer on a thread of its own, which goes as far as `limit`.

    Args:
        bootstrap_servers: The brokers.
        topic: The topic of posts.
        partitions: How many partitions it has; posts go round them.
        workload: What is produced.

    Attributes:
        ledger: Where each acknowledged post stands.
        limit: How many posts may be produced by now; raised by the run.
    """

    def __init__(self, bootstrap_servers: str, topic: str, partitions: int, workload: Workload) -> None:
        self.ledger = Ledger()
        self.limit = 0
        self._servers = bootstrap_servers
        self._topic = topic
        self._partitions = partitions
        self._workload = workload
        self._stopping = Event()
        self._failures: list[BaseException] = []
        self._thread = Thread(target=self._run, name="feeder", daemon=True)

    def start(self) -> None:
        """Start producing."""
        self._thread.start()

    def close(self) -> None:
        """Wait until every post sent is acknowledged, and end.

        Raises:
            RuntimeError: a post was refused, so nobody knows whether it is in the topic; the cause says why.
        """
        self._stopping.set()
        self._thread.join()
        if self._failures:
            raise RuntimeError(f"{len(self._failures)} posts could not be produced") from self._failures[0]

    def _run(self) -> None:
        # Kafka's idempotent producer: what it sends again after an error stands once in the topic (KIP-98).
        producer = KafkaProducer(
            bootstrap_servers=self._servers,
            acks="all",
            enable_idempotence=True,
            linger_ms=20,
            delivery_timeout_ms=300_000,
            max_block_ms=300_000,
        )
        try:
            for number in count():
                while number >= self.limit and not self._stopping.wait(_LOOK_SECONDS):
                    pass
                if self._stopping.is_set():
                    break
                self._send(producer, number)
            producer.flush()
        except BaseException as error:  # noqa: BLE001 - told by `close`, on the thread that can do something
            self._failures.append(error)
        finally:
            producer.close()

    def _send(self, producer: KafkaProducer, number: int) -> None:
        def taken(place: Any) -> None:
            self.ledger.note(number, place.partition, place.offset)

        producer.send(
            self._topic,
            key=self._workload.key(number),
            value=self._workload.value(number),
            partition=number % self._partitions,
        ).add_callback(taken).add_errback(self._failures.append)
