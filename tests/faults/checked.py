"""What the exact tests share: posts with a ledger, and a checker that has read all there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from tests.faults.checker import Checker
from tests.faults.ledger import Ledger
from tests.faults.reader import Reader
from tests.faults.workload import Workload
from tests.pipeline import Pipeline
from workers.local.worker_process import WorkerProcess

POD: Final = ("--group-instance-id", "pod-0", "--transaction-timeout-ms", "5000")


def until(holds: Callable[[], bool], by: WorkerProcess | None = None) -> None:
    """Wait, at most 300 s, for what this worker is to bring about."""

    def attempt() -> bool:
        assert by is None or by.running, by.log_path.read_text()[-2_000:]
        return holds()

    waiting = retry(
        retry=retry_if_result(lambda held: not held), stop=stop_after_delay(300), wait=wait_fixed(0.1)
    )
    waiting(attempt)()


def produce(pipeline: Pipeline, posts: int) -> Ledger:
    ledger, workload = Ledger(), Workload()
    places = pipeline.produce([(workload.key(n), workload.value(n), []) for n in range(posts)])
    for number, (partition, offset) in enumerate(places):
        ledger.note(number, partition, offset)
    return ledger


@contextmanager
def checked(pipeline: Pipeline) -> Iterator[Checker]:
    """A checker that has read all there is once the block is left."""
    checker = Checker(Workload().key)
    reader = Reader(
        pipeline.bootstrap_servers,
        results=pipeline.topics[1],
        dead_letters=pipeline.topics[2],
        partitions=pipeline.partitions,
        take=checker.take,
    )
    reader.start()
    try:
        yield checker
    finally:
        reader.close()
