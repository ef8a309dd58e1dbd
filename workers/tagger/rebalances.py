"""What a worker does when the group gives it partitions or takes them away."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import structlog
from kafka import TopicPartition
from kafka.consumer.subscription_state import ConsumerRebalanceListener

from workers.metrics import Metrics

_log = structlog.get_logger(__name__)


class Owner(Protocol):
    """Who has the partitions."""

    def assigned(self, partitions: Collection[TopicPartition]) -> None:
        """Take in partitions."""

    def revoked(self, partitions: Collection[TopicPartition]) -> None:
        """Finish partitions that go to another worker."""

    def lost(self, partitions: Collection[TopicPartition]) -> None:
        """Forget partitions that another worker may have already."""


class Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]
    """Tells a worker of changes in its assignment.

    kafka-python calls this on its own thread while the worker's thread waits in `poll` for the call to
    return, so the worker's state is still touched by one thread at a time.
    """

    def __init__(self, owner: Owner, metrics: Metrics) -> None:
        """Take the worker to tell, and the metrics that count the changes."""
        self._owner = owner
        self._metrics = metrics

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Partitions have come."""
        self._note("assigned", assigned)
        self._owner.assigned(assigned)

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Partitions go to another member once this returns."""
        self._note("revoked", revoked)
        self._owner.revoked(revoked)

    def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:
        """Partitions are gone: the group has put this member out."""
        self._note("lost", lost)
        self._owner.lost(lost)

    def _note(self, kind: str, partitions: Collection[TopicPartition]) -> None:
        self._metrics.rebalances.labels(kind).inc()
        names = sorted(f"{partition.topic}-{partition.partition}" for partition in partitions)
        _log.info("the assignment changes", kind=kind, partitions=names)
