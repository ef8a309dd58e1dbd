"""One commit at a time, on a thread of its own, so that the loop turns while Kafka takes its time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from threading import Thread

from kafka.structs import ConsumerGroupMetadata

from workers.metrics import Metrics
from workers.outgoing import Outgoing
from workers.tagger.checkpoint import Prefix
from workers.tagger.publisher import Publisher


@dataclass(frozen=True, slots=True)
class _UnderWay:
    prefix: Prefix
    done: Future[None]


class Committer:
    """Hands commits to a publisher and tells what became of them.

    A commit has no time-out: while the broker is away kafka-python asks again and again, and a transaction
    whose end was asked for can't be taken back. So the commit waits, and nobody waits for it longer than
    they want to.
    """

    def __init__(self, publisher: Publisher, metrics: Metrics) -> None:
        """Take the publisher; from here on only this committer's threads use it."""
        self._publisher = publisher
        self._metrics = metrics
        self._under_way: _UnderWay | None = None

    @property
    def busy(self) -> bool:
        """Whether a commit has begun and its outcome was not asked for yet."""
        return self._under_way is not None

    def begin(
        self, prefix: Prefix, records: Sequence[tuple[Outgoing, int]], member: ConsumerGroupMetadata
    ) -> None:
        """Begin a commit; the one before must be settled.

        Args:
            prefix: what is committed.
            records: each with its input partition.
            member: the membership under which the prefix was read. It is the caller's, not the thread's to
                ask for: in between the group may have put us out and taken us in again.
        """
        if self._under_way is not None:
            raise RuntimeError("a commit begins before the last one is settled")
        done: Future[None] = Future()

        def work() -> None:
            try:
                with self._metrics.stage("commit"):
                    self._publisher.commit(records, prefix.offsets, member)
            except BaseException as error:  # noqa: BLE001 - `settle` raises it where it can be answered
                done.set_exception(error)
            else:
                done.set_result(None)

        self._under_way = _UnderWay(prefix, done)
        # A process that ends doesn't wait for a broker that is away.
        Thread(target=work, name="commit", daemon=True).start()

    def hurry(self) -> None:
        """Tell the commit under way that a rebalance waits for it."""
        self._publisher.hurry()

    def settle(self, timeout: float = 0.0) -> Prefix | None:
        """What was committed, or None while nothing is or the broker still takes its time.

        Args:
            timeout: seconds to wait for the outcome.

        Raises:
            workers.tagger.publisher.CommitFailed: nothing of it counts.
            workers.tagger.publisher.PublisherLost: this process must end.
            kafka.errors.KafkaError: trying again can't help.
        """
        if self._under_way is None:
            return None
        prefix, done = self._under_way.prefix, self._under_way.done
        # Not by `result(timeout)`: what ends right behind its time-out looks like a commit that timed out.
        if not wait([done], timeout).done:
            return None
        self._under_way = None
        done.result()
        return prefix
