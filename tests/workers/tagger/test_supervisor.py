"""Several workers as one, on a real broker."""

import json
import os
import signal
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil

from tests.integration.test_delivery import assert_exactly_once_in_order, posts
from tests.pipeline import Pipeline, told
from tests.workers.tagger.in_process import wait_until
from workers.local.worker_process import WorkerProcess

TWO = ("--processes", "2", "--transaction-timeout-ms", "5000")


def health(worker: WorkerProcess, probe: str) -> dict[str, Any]:
    try:
        with urlopen(f"http://127.0.0.1:{worker.metrics_port}/health/{probe}", timeout=10) as answer:
            page = answer.read()
    except HTTPError as error:
        page = error.read()
    found: dict[str, Any] = json.loads(page)
    return found


def pids(worker: WorkerProcess) -> dict[int, int]:
    return {each["process"]: each["pid"] for each in health(worker, "ready")["processes"]}


def test_one_that_is_killed_is_started_again_and_nothing_is_lost_or_doubled(pipeline: Pipeline) -> None:
    worker = pipeline.worker(*TWO, "--group-instance-id", "pod")
    before = pids(worker)
    pipeline.produce(posts(1_500))
    pipeline.results(100)
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: pids(worker).get(0, before[0]) != before[0], "another process in its place")
    assert worker.running
    assert pids(worker)[1] == before[1]
    worker.wait_ready()
    pipeline.produce(posts(1_500, first=1_500))
    assert_exactly_once_in_order(pipeline)
    assert told(worker, "worker_process_restarts_total", process="0") == 1
    assert told(worker, "worker_process_restarts_total", process="1") == 0
    # Each tells its own: four partitions are shared, and all posts were tagged by one or the other.
    assert told(worker, "assigned_partitions", process="0") == 2
    assert told(worker, "assigned_partitions", process="1") == 2
    # SIGTERM goes to all of them, and they leave nothing behind.
    children = psutil.Process(worker.pid).children(recursive=True)
    worker.stop()
    assert worker.exit_status == 0
    wait_until(lambda: not any(child.is_running() for child in children), "no process is left")


def test_health_is_that_of_all(pipeline: Pipeline) -> None:
    worker = pipeline.worker(*TWO)
    first, second = pids(worker).values()
    os.kill(first, signal.SIGSTOP)
    try:
        # The kernel stops its threads one after another, and one of them may still answer.
        while (told := health(worker, "ready"))["ready"]:
            pass
        assert [each["ready"] for each in told["processes"]] == [False, True]
        assert not health(worker, "live")["live"]
    finally:
        os.kill(first, signal.SIGCONT)
    worker.wait_ready()
    # Whose supervisor dies ends by itself.
    os.kill(worker.pid, signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(first) and not psutil.pid_exists(second), "both end")


def test_what_keeps_all_from_starting_ends_the_supervisor_with_a_sentence(pipeline: Pipeline) -> None:
    pipeline.release = "/nowhere"
    worker = pipeline.worker(*TWO, ready=False)
    wait_until(lambda: not worker.running, "it ends")
    worker.stop()
    assert worker.exit_status == 1
    assert "/nowhere" in worker.log_path.read_text()
