"""A producer that is replaced once it can't be trusted any more."""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError

from workers.acknowledged import Acknowledgements


class Connect(Protocol):
    """Makes a producer, each time under the same transactional id where there is one."""

    def __call__(self, *, batched: bool) -> KafkaProducer:
        """Connect.

        Args:
            batched: whether records share batches.

        Raises:
            SetupError: no broker answers.
        """


class ReplaceableProducer:
    """The producer in use; after a failure another one, whose records don't share batches.

    When a batch is too large for its topic kafka-python 3.0.12 cuts it in two, numbers the halves wrongly
    and loses its way. Each record alone is refused by itself and can be named. Once that went well the next
    producer batches again.

    Attributes:
        acknowledged: What the brokers have acknowledged to the producer in use.
    """

    def __init__(self, connect: Connect) -> None:
        """Take what connects; `get` uses it first."""
        self._connect = connect
        self._producer: KafkaProducer | None = None
        self._batched = True
        self.acknowledged = Acknowledgements()

    def get(self) -> KafkaProducer:
        """The producer; transactional ones have begun, and ended what one before them had begun (KIP-98).

        Raises:
            SetupError: no broker answers.
            kafka.errors.KafkaError: the transaction coordinator can't be had.
        """
        if self._producer is None:
            producer = self._connect(batched=self._batched)
            try:
                if producer.config["transactional_id"] is not None:
                    producer.init_transactions()
            except KafkaError:
                _close(producer, 0)
                raise
            self._producer = producer
            self.acknowledged = Acknowledgements()
        return self._producer

    def failed(self) -> None:
        """Don't use this one again."""
        self._batched = False
        self.close(0)

    def went_well(self) -> None:
        """All that was sent has arrived."""
        if not self._batched:
            self._batched = True
            self.close(0)

    def close(self, timeout: float) -> None:
        """Close the producer, waiting at most so many seconds for its thread."""
        producer, self._producer = self._producer, None
        if producer is not None:
            _close(producer, timeout)


def _close(producer: KafkaProducer, timeout: float) -> None:
    # While the broker is away nothing can be flushed, and nothing need be: it wasn't committed.
    with suppress(KafkaTimeoutError):
        producer.close(timeout=timeout)
    # A flush that took too long has left its thread at work.
    producer._sender.force_close()  # noqa: SLF001
