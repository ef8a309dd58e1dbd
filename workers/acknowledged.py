"""Whether the records of a transaction are written, looked at before it is committed."""

from __future__ import annotations

from collections.abc import Sequence

from kafka import TopicPartition
from kafka.errors import KafkaError
from kafka.producer.future import FutureRecordMetadata


class NotAcknowledged(KafkaError):  # type: ignore[misc]
    """A record of the transaction under way is not written."""


class Acknowledgements:
    """What the brokers have acknowledged to one producer.

    kafka-python 3.0.12 commits a transaction although some of its records have failed, and takes a broker's
    "seen before" for success, also where the number of a batch was given to other records before. So each
    record is looked at: it has to be written, and behind all that were written to its partition earlier.
    """

    def __init__(self) -> None:
        self._last: dict[TopicPartition, int] = {}

    def wait(self, futures: Sequence[FutureRecordMetadata]) -> None:
        """Wait until every record is written; before the end of their transaction.

        Args:
            futures: of the records, in the order in which they were given to the producer.

        Raises:
            kafka.errors.KafkaError: that of a record that was refused.
            NotAcknowledged: a record is said to be written where others were before.
        """
        for future in futures:
            written = future.get()
            partition, offset = written.topic_partition, written.offset
            if offset <= self._last.get(partition, -1):
                raise NotAcknowledged(
                    f"a record is said to be written to {partition.topic}-{partition.partition} at offset "
                    f"{offset}, which is not behind {self._last.get(partition, -1)}"
                )
            self._last[partition] = offset
