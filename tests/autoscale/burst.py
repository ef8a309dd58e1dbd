"""Many posts at once, written plainly or by transactions."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final

from kafka import KafkaProducer

from tests.faults.ledger import Ledger
from tests.faults.workload import Workload

_POSTS_A_TRANSACTION: Final = 250
# So many transactions are given up at the beginning: nobody may see their posts.
_ABORTED: Final = 2
_OPTIONS: Final = {"acks": "all", "enable_idempotence": True, "linger_ms": 20}


class Bursts:
    """Produces posts by their numbers, those of one burst after those of the last.

    Args:
        bootstrap_servers: the brokers.
        topic: the topic of posts.
        partitions: how many partitions it has; posts go round them.
        workload: what is produced.

    Attributes:
        ledger: where each acknowledged post stands.
    """

    def __init__(self, bootstrap_servers: str, topic: str, partitions: int, workload: Workload) -> None:
        self.ledger = Ledger()
        self._servers = bootstrap_servers
        self._topic = topic
        self._partitions = partitions
        self._workload = workload
        self._first = 0

    def plain(self, posts: int) -> None:
        """Produce posts by an idempotent producer."""
        with closing(KafkaProducer(bootstrap_servers=self._servers, **_OPTIONS)) as producer:
            self._note(self._send(producer, self._next(posts)))

    def in_transactions(self, posts: int) -> None:
        """Produce posts by transactions; the first of them are given up and then made again."""
        producer = KafkaProducer(
            bootstrap_servers=self._servers, transactional_id=f"{self._topic}-burst", **_OPTIONS
        )
        with closing(producer):
            producer.init_transactions()
            numbers = self._next(posts)
            transactions = [
                numbers[start : start + _POSTS_A_TRANSACTION]
                for start in range(0, posts, _POSTS_A_TRANSACTION)
            ]
            for some in transactions[:_ABORTED]:
                producer.begin_transaction()
                self._send(producer, some)
                producer.flush()
                producer.abort_transaction()
            for some in transactions:
                producer.begin_transaction()
                sent = self._send(producer, some)
                producer.commit_transaction()
                self._note(sent)

    def _next(self, posts: int) -> range:
        numbers = range(self._first, self._first + posts)
        self._first = numbers.stop
        return numbers

    def _send(self, producer: KafkaProducer, numbers: Sequence[int]) -> list[tuple[int, Any]]:
        return [
            (
                number,
                producer.send(
                    self._topic,
                    key=self._workload.key(number),
                    value=self._workload.value(number),
                    partition=number % self._partitions,
                ),
            )
            for number in numbers
        ]

    def _note(self, sent: list[tuple[int, Any]]) -> None:
        for number, future in sent:
            place = future.get(timeout=60)
            self.ledger.note(number, place.partition, place.offset)
