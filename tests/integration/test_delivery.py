"""What a reader with `read_committed` sees: every post once, in the order of its partition."""

import json
from collections import Counter, defaultdict

import pytest

from tests.group import members
from tests.pipeline import Pipeline

POSTS = 3_000


def posts(count: int = POSTS, first: int = 0) -> list[tuple[bytes, bytes, list[tuple[str, bytes]]]]:
    return [
        (
            f"key-{number % 97}".encode(),
            json.dumps({"id": str(number), "text": f"Post {number} from Oslo"}).encode(),
            [],
        )
        for number in range(first, first + count)
    ]


def assert_exactly_once_in_order(pipeline: Pipeline, count: int = POSTS) -> None:
    results = pipeline.results(count)
    seen = Counter(result.id for _, result in results)
    assert not [name for name in map(str, range(count)) if name not in seen], "lost"
    assert not {name: times for name, times in seen.items() if times > 1}, "doubled"
    offsets = defaultdict(list)
    for record, result in results:
        assert record.key == f"key-{int(result.id) % 97}".encode()
        assert record.partition == result.source.partition
        offsets[result.source.partition].append(result.source.offset)
    for order in offsets.values():
        assert order == sorted(order)


def test_a_worker_killed_in_mid_stream_loses_and_doubles_nothing(pipeline: Pipeline) -> None:
    first = pipeline.worker("--group-instance-id", "pod-0", "--transaction-timeout-ms", "5000")
    pipeline.produce(posts())
    pipeline.results(100)
    first.kill()
    pipeline.worker("--group-instance-id", "pod-0", "--transaction-timeout-ms", "5000")
    assert_exactly_once_in_order(pipeline)


def test_a_stranger_takes_over_from_a_killed_worker(pipeline: Pipeline) -> None:
    soon_missed = ("--session-timeout-ms", "6000", "--drain-timeout", "4", "--transaction-timeout-ms", "5000")
    first = pipeline.worker(*soon_missed)
    second = pipeline.worker(*soon_missed)
    pipeline.produce(posts(1_000))
    pipeline.results(50)
    first.kill()
    assert_exactly_once_in_order(pipeline, 1_000)
    assert second.running


def test_workers_that_come_and_go_lose_and_double_nothing(pipeline: Pipeline) -> None:
    first = pipeline.worker()
    pipeline.produce(posts(1_000))
    pipeline.worker()
    pipeline.produce(posts(1_000, first=1_000))
    first.stop()
    pipeline.produce(posts(1_000, first=2_000))
    assert_exactly_once_in_order(pipeline)


def test_a_worker_told_to_end_commits_what_it_has(pipeline: Pipeline) -> None:
    worker = pipeline.worker()
    pipeline.produce(posts(1_000))
    pipeline.results(1)
    worker.stop()
    assert worker.exit_status == 0
    # Nobody has to wait for its session to end.
    assert members(pipeline.bootstrap_servers, pipeline.topics[0]) == 0
    pipeline.worker()
    assert_exactly_once_in_order(pipeline, 1_000)


def test_at_least_once_loses_nothing_to_a_kill(pipeline: Pipeline) -> None:
    first = pipeline.worker("--delivery", "at_least_once", "--group-instance-id", "pod-0")
    pipeline.produce(posts(1_000))
    pipeline.results(50)
    first.kill()
    pipeline.worker("--delivery", "at_least_once", "--group-instance-id", "pod-0")
    assert {result.id for _, result in pipeline.results(1_000)} >= set(map(str, range(1_000)))


@pytest.mark.parametrize("limit", ["8", "64"])
def test_a_small_limit_in_flight_only_slows(pipeline: Pipeline, limit: str) -> None:
    pipeline.worker("--max-in-flight", limit)
    pipeline.produce(posts(500))
    assert_exactly_once_in_order(pipeline, 500)


def test_a_rebalance_under_backpressure_leaves_no_partition_behind(pipeline: Pipeline) -> None:
    flags = ("--max-in-flight", "16", "--batch-posts", "4")
    pipeline.worker(*flags)
    second = pipeline.worker(*flags)
    pipeline.produce(posts(6_000))
    pipeline.results(500)
    second.stop()
    assert_exactly_once_in_order(pipeline, 6_000)


def test_at_least_once_lives_through_a_rebalance(pipeline: Pipeline) -> None:
    first = pipeline.worker("--delivery", "at_least_once", "--commit-interval-ms", "500")
    pipeline.produce(posts(2_000))
    pipeline.results(50)
    second = pipeline.worker("--delivery", "at_least_once", "--commit-interval-ms", "500")
    assert {result.id for _, result in pipeline.results(2_000)} >= set(map(str, range(2_000)))
    assert first.running
    assert second.running
