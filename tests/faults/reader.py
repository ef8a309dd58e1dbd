"""Reads results and dead letters as any reader would, while a run goes on, and hands them to the checker."""

from __future__ import annotations

import json
from collections.abc import Callable
from threading import Event, Thread
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from tenacity import retry, retry_if_exception_type, stop_after_delay

from schemas import DeadLetter, TaggedPost
from tests.faults.checker import Outcome

_POLL_MS: Final = 100
# A broker that has just come back may not lead its partitions yet.
_END_SECONDS: Final = 120.0


class Reader:
    """One consumer with `read_committed`, on a thread of its own.

    Args:
        bootstrap_servers: The brokers.
        results: Topic of the results.
        dead_letters: Topic of the dead letters.
        partitions: How many each of the two has.
        take: Told of each outcome, on the reader's thread.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        results: str,
        dead_letters: str,
        partitions: int,
        take: Callable[[Outcome], None],
    ) -> None:
        self._servers = bootstrap_servers
        self._results = results
        self._topics = [
            TopicPartition(topic, n) for topic in (results, dead_letters) for n in range(partitions)
        ]
        self._take = take
        self._closing = Event()
        self._thread = Thread(target=self._run, name="reader", daemon=True)
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Start reading, from the first record on."""
        self._thread.start()

    def close(self) -> None:
        """Read what is there by now, then end.

        Raises:
            RuntimeError: an outcome could not be read; the cause says why.
        """
        self._closing.set()
        self._thread.join()
        if self.failure is not None:
            raise RuntimeError("the reader of the outcomes has ended early") from self.failure

    def _run(self) -> None:
        consumer = KafkaConsumer(
            bootstrap_servers=self._servers,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        try:
            consumer.assign(self._topics)
            while not self._closing.is_set():
                self._poll(consumer)
            # Whatever was doubled stands before these ends, open transactions included: they are waited for.
            ends = self._ends()
            while any(consumer.position(each) < ends[each] for each in self._topics):
                self._poll(consumer)
        except BaseException as error:  # noqa: BLE001 - told by `close`, on the thread that can do something
            self.failure = error
        finally:
            consumer.close()

    @retry(retry=retry_if_exception_type(KafkaError), stop=stop_after_delay(_END_SECONDS), reraise=True)
    def _ends(self) -> dict[TopicPartition, int]:
        consumer = KafkaConsumer(bootstrap_servers=self._servers, isolation_level="read_uncommitted")
        try:
            ends: dict[TopicPartition, int] = consumer.end_offsets(self._topics)
            return ends
        finally:
            consumer.close()

    def _poll(self, consumer: KafkaConsumer) -> None:
        for records in consumer.poll(timeout_ms=_POLL_MS, max_records=2_000).values():
            for record in records:
                self._take(self._outcome(record))

    def _outcome(self, record: Any) -> Outcome:
        name: str | None
        if record.topic == self._results:
            result = TaggedPost.model_validate_json(record.value)
            partition, offset, name = result.source.partition, result.source.offset, result.id
        else:
            letter = DeadLetter.from_headers(record.headers)
            partition, offset, name = letter.partition, letter.offset, _id_in(record.value)
        return Outcome(
            topic=record.topic,
            output_partition=record.partition,
            output_offset=record.offset,
            partition=partition,
            offset=offset,
            id=name,
            key=record.key,
        )


def _id_in(value: bytes) -> str | None:
    """The id in a dead letter's original bytes."""
    try:
        post = json.loads(value)
    except ValueError:
        return None
    return post.get("id") if isinstance(post, dict) else None
