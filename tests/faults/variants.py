"""Workers that break in their own way: `python -m tests.faults.variants VARIANT FLAGS...`.

Each is the whole `rpbert worker` but for what is changed here, mostly in kafka-python's clients: the product
has no hook for faults.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from typing import Any, Final

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.fetcher import Fetcher

from workers import cli
from workers.tagger.bounded_poll import BoundedPoll
from workers.tagger.worker import Worker

# Some commits pass before, so that it happens amid the posts and not at their beginning.
_PASSING: Final = 2


class Variant(StrEnum):
    """What is unlike the product; `KILLED` are those that end themselves."""

    BEFORE_FETCH = "before-fetch"
    AFTER_INFERENCE = "after-inference"
    BEFORE_OFFSETS = "during-commit-before-offsets"
    AFTER_OFFSETS = "during-commit-after-offsets"
    AFTER_COMMIT = "after-commit"
    CLOCK_AHEAD = "clock-ahead"
    COMMITS_FIRST = "commits-first"
    LOSES_BESIDE_A_REVOCATION = "loses-beside-a-revocation"


KILLED: Final = (
    Variant.BEFORE_FETCH,
    Variant.AFTER_INFERENCE,
    Variant.BEFORE_OFFSETS,
    Variant.AFTER_OFFSETS,
    Variant.AFTER_COMMIT,
)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _dies(name: str, *, on_call: int, after: bool = False) -> None:
    """Let a producer's method kill the process when it is called for the `on_call`-th time, from 1."""
    method = getattr(KafkaProducer, name)
    calls = 0

    def dying(self: KafkaProducer, *arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == on_call and not after:
            # What was sent before must be with the broker: that is the case to be shown.
            self.flush()
            _die()
        answer = method(self, *arguments, **options)
        if calls == on_call:
            _die()
        return answer

    setattr(KafkaProducer, name, dying)


def _dies_before_it_fetches() -> None:
    """Killed as soon as it has partitions and before it asks for a record."""
    fetch_records = Fetcher.fetch_records

    def dying(self: Fetcher, *arguments: Any, **options: Any) -> Any:
        if self._subscriptions.assigned_partitions():
            _die()
        return fetch_records(self, *arguments, **options)

    Fetcher.fetch_records = dying


def _clock_ahead() -> None:
    """Two hours fast: a broker takes no record of more than an hour from now."""
    send = KafkaProducer.send

    def sending(self: KafkaProducer, *arguments: Any, **options: Any) -> Any:
        ahead = int((time.time() + 7_200) * 1_000)
        return send(self, *arguments, **options, timestamp_ms=ahead)

    KafkaProducer.send = sending


def _commits_first() -> None:
    """The usual way, and the wrong one: positions are committed on a timer, whatever became of the posts."""
    made = KafkaConsumer.__init__

    def committing(self: KafkaConsumer, *topics: str, **options: Any) -> None:
        if "group_id" in options:
            options |= {"enable_auto_commit": True, "auto_commit_interval_ms": 50}
        made(self, *topics, **options)

    KafkaConsumer.__init__ = committing
    KafkaProducer.send_offsets_to_transaction = lambda _producer, _offsets, _group: None


def _loses_beside_a_revocation() -> None:
    """As the product was until fde9aa7: a poll that revokes partitions loses what it brings of the others."""
    leave, poll, left = Worker._leave_unopened, BoundedPoll.__call__, list[bool]()

    def leaving(self: Worker, partitions: Collection[TopicPartition]) -> None:
        left.append(True)
        leave(self, partitions)

    def polling(self: BoundedPoll, **limits: int) -> list[Any]:
        left.clear()
        # Polled late, so that something has always come by then.
        time.sleep(0.1)
        records = poll(self, **limits)
        return [] if left else records

    Worker._leave_unopened = leaving  # type: ignore[method-assign]
    BoundedPoll.__call__ = polling  # type: ignore[method-assign]


_CHANGES: Final[Mapping[Variant, Callable[[], None]]] = {
    Variant.BEFORE_FETCH: _dies_before_it_fetches,
    Variant.AFTER_INFERENCE: lambda: _dies("begin_transaction", on_call=_PASSING + 1),
    Variant.BEFORE_OFFSETS: lambda: _dies("send_offsets_to_transaction", on_call=_PASSING + 1),
    Variant.AFTER_OFFSETS: lambda: _dies("commit_transaction", on_call=_PASSING + 1),
    Variant.AFTER_COMMIT: lambda: _dies("commit_transaction", on_call=_PASSING + 1, after=True),
    Variant.CLOCK_AHEAD: _clock_ahead,
    Variant.COMMITS_FIRST: _commits_first,
    Variant.LOSES_BESIDE_A_REVOCATION: _loses_beside_a_revocation,
}


def program(variant: Variant) -> tuple[str, ...]:
    """What runs as a worker in its place (see `WorkerProcess`)."""
    return (sys.executable, "-m", "tests.faults.variants", variant)


if __name__ == "__main__":
    _CHANGES[Variant(sys.argv[1])]()
    sys.argv[1] = "worker"
    cli.main()
