"""A poll that ends at so many bytes: records of ten megabytes are not taken in by the hundred."""

from __future__ import annotations

from typing import Any, Final

from kafka import KafkaConsumer
from kafka.consumer.fetcher import ConsumerRecord

# Records are counted after they were unpacked; so many may come on top of the bound.
_STEP: Final = 4


def record_bytes(record: ConsumerRecord) -> int:
    """Bytes of a record's key, value and headers; kafka-python writes -1 for what is not there."""
    sizes = (record.serialized_key_size, record.serialized_value_size, record.serialized_header_size)
    return sum(max(0, size) for size in sizes)


class BoundedPoll:
    """Polls a consumer for at most so many records and bytes.

    kafka-python bounds a poll by records alone. What it holds back stays packed as it came from the broker,
    within `fetch_max_bytes`.
    """

    def __init__(self, consumer: KafkaConsumer) -> None:
        """Take the consumer; its other polls are not bounded."""
        self._consumer = consumer
        self._left = 0
        self._append = consumer._fetcher._append  # noqa: SLF001 - no public way leads there
        consumer._fetcher._append = self._append_within  # noqa: SLF001

    def __call__(self, *, timeout_ms: int, max_records: int, max_bytes: int) -> list[ConsumerRecord]:
        """Records of any partitions, each partition's in order; at least one comes if there is one.

        Raises:
            kafka.errors.KafkaError: as the consumer's `poll` does.
        """
        self._left = max_bytes
        polled = self._consumer.poll(timeout_ms=timeout_ms, max_records=max_records)
        return [record for records in polled.values() for record in records]

    def _append_within(
        self, drained: dict[Any, list[ConsumerRecord]], part: Any, max_records: int, update_offsets: bool
    ) -> int:
        taken: int = self._append(drained, part, min(max_records, _STEP), update_offsets)
        if taken:
            self._left -= sum(map(record_bytes, drained[part.topic_partition][-taken:]))
        # As many as were asked for end the poll.
        return taken if self._left > 0 else max_records
