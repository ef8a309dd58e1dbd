"""Workers that come back from the dead: frozen, replaced, or told to end before they began."""

import os
import signal
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.integration.test_delivery import assert_exactly_once_in_order, posts
from tests.pipeline import Pipeline
from tests.workers.tagger.in_process import wait_until
from workers.local.worker_process import WorkerProcess

# Out of its group after six seconds without a sign of life, and out of its transaction after one.
QUICK = ("--session-timeout-ms", "6000", "--drain-timeout", "4", "--transaction-timeout-ms", "1000")


def send(worker: WorkerProcess, number: signal.Signals) -> None:
    process = worker._process._process
    assert process is not None
    os.kill(process.pid, number)


def rebalances(worker: WorkerProcess, kind: str) -> bool:
    return f'rpbert_rebalances_total{{kind="{kind}"}}' in worker.metrics()


def answers(worker: WorkerProcess, probe: str) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{worker.metrics_port}/health/{probe}", timeout=5):
            return True
    except (URLError, OSError):
        return False


@pytest.mark.timeout(400)
def test_a_worker_frozen_for_longer_than_its_session_doubles_nothing(pipeline: Pipeline) -> None:
    frozen = pipeline.worker(*QUICK)
    pipeline.produce(posts(1_500))
    pipeline.results(100)
    send(frozen, signal.SIGSTOP)
    other = pipeline.worker(*QUICK, ready=False)
    pipeline.produce(posts(1_500, first=1_500))
    wait_until(lambda: answers(other, "ready"), "the other one has the partitions")
    wait_until(lambda: "rpbert_posts_tagged_total 0.0" not in other.metrics(), "the other one reads on")
    send(frozen, signal.SIGCONT)
    # It comes back as a new member, or it ends because the broker gave up its transaction.
    wait_until(lambda: not frozen.running or rebalances(frozen, "lost"), "the frozen one finds out")
    assert_exactly_once_in_order(pipeline, 3_000)
    assert other.running


@pytest.mark.timeout(400)
def test_a_worker_whose_place_is_taken_ends_with_a_sentence(pipeline: Pipeline) -> None:
    first = pipeline.worker("--group-instance-id", "pod-0")
    second = pipeline.worker("--group-instance-id", "pod-0")
    pipeline.produce(posts(200))
    wait_until(lambda: not first.running, "the first one ends")
    first.stop()
    assert first.exit_status == 1
    last = first.log_path.read_text().splitlines()[-1]
    assert "another worker with the same" in last
    assert "what was not committed is read again" in last
    assert_exactly_once_in_order(pipeline, 200)
    assert second.running


def test_a_worker_told_to_end_while_it_starts_ends_at_once(pipeline: Pipeline) -> None:
    worker = pipeline.worker(ready=False)
    wait_until(lambda: answers(worker, "live"), "its probes answer")
    assert not answers(worker, "startup")
    worker.stop()
    assert worker.exit_status == 128 + signal.SIGTERM


def test_a_second_signal_ends_a_worker_at_once_and_loses_nothing(pipeline: Pipeline) -> None:
    # A batch that may not leave for ten seconds: the first signal has something to wait for.
    worker = pipeline.worker("--batch-wait-ms", "10000")
    pipeline.produce(posts(3))
    wait_until(lambda: "rpbert_posts_received_total 3.0" in worker.metrics(), "all posts taken in")
    send(worker, signal.SIGTERM)
    send(worker, signal.SIGTERM)
    wait_until(lambda: not worker.running, "it has ended")
    worker.stop()
    # Either signal may be the one that is seen: Linux folds two that are waiting into one.
    assert worker.exit_status in (0, 130)
    pipeline.worker()
    assert_exactly_once_in_order(pipeline, 3)
