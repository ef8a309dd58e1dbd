"""The worker's loop on a real broker: away and back, too large, too much, and a device that is gone."""

from collections.abc import Sequence
from contextlib import closing
from random import Random
from threading import Event
from time import monotonic
from typing import Any

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaConnectionError

from model.inference import Tagger, Tagging, TagRequest
from schemas import DeadLetterReason
from tests.group import committed
from tests.pipeline import Pipeline
from tests.workers.tagger.in_process import Slow, Start, posts, wait_until
from workers.local.kafka import KafkaCluster
from workers.settings import Delivery, WorkerSettings
from workers.tagger.engine import EngineSick
from workers.tagger.publisher import CommitFailed


class Gone(Slow):
    """A release whose device is lost, as CUDA tells it."""

    def tag(self, requests: Sequence[TagRequest]) -> list[Tagging]:
        raise RuntimeError("CUDA error: unspecified launch failure")

    def warm_up(self) -> None:
        self.tag([])


@pytest.mark.parametrize("delivery", Delivery)
def test_a_broker_that_goes_away_and_comes_back(
    pipeline: Pipeline, kafka: KafkaCluster, tagger: Tagger, start: Start, delivery: Delivery
) -> None:
    slow = Slow(tagger)
    worker = start(slow, delivery=delivery).wait_ready()
    pipeline.produce(posts(200))
    wait_until(lambda: worker.sample("rpbert_posts_received_total") == 200, "all posts taken in")
    kafka.stop()
    try:
        # Finished now, with nobody to commit to.
        slow.may_tag.set()
        wait_until(lambda: not worker.health.ready, "not ready without a broker")
        turned = worker.health.turned
        wait_until(lambda: worker.health.turned > turned + 2, "the loop turns without a broker")
        assert worker.health.live
        assert worker.running
    finally:
        kafka.start()
    wait_until(lambda: worker.health.ready, "ready again")
    pipeline.produce(posts(50, first=200))
    assert sorted(int(result.id) for _, result in pipeline.results(250)) == list(range(250))
    assert worker.running


def test_a_poll_that_fails_for_a_while_is_asked_again(pipeline: Pipeline, start: Start) -> None:
    worker = start().wait_ready()
    poll, failures = worker.worker._poll, list[int]()

    def failing(**limits: int) -> list[Any]:
        if len(failures) < 5:
            failures.append(1)
            raise KafkaConnectionError("as in the middle of a rebalance, once in many")
        return poll(**limits)

    worker.worker._poll = failing  # type: ignore[assignment]
    pipeline.produce(posts(20))
    assert sorted(int(result.id) for _, result in pipeline.results(20)) == list(range(20))
    assert failures
    assert worker.running


def test_a_lone_post_does_not_wait_for_mates_to_be_committed_with(pipeline: Pipeline, start: Start) -> None:
    worker = start().wait_ready().worker
    worker._pace._interval = 3_600
    pipeline.produce(posts(1))
    assert len(pipeline.results(1)) == 1
    # Of an hour a third has gone by.
    worker._pace._next = monotonic() + 2_300
    pipeline.produce(posts(1, first=1))
    assert len(pipeline.results(2)) == 2


def test_what_is_too_much_for_one_commit_is_committed_in_parts(pipeline: Pipeline, start: Start) -> None:
    worker = start(max_in_flight=200)
    publisher: Any = worker.worker._committer._publisher
    commit = publisher.commit

    def within_the_time_out(records: Any, *arguments: Any) -> None:
        # As behind brokers so slow that a transaction of more outlasts its time-out.
        if len(records) > 20:
            raise CommitFailed("for the test")
        commit(records, *arguments)

    publisher.commit = within_the_time_out
    pipeline.produce(posts(200))
    assert sorted(int(result.id) for _, result in pipeline.results(200)) == list(range(200))


def test_memory_that_is_free_is_given_back_while_it_works(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_back = Event()
    # What that does to a heap in holes is shown in tests/model/test_device.py.
    monkeypatch.setattr("workers.tagger.worker.trim_heap", given_back.set)
    monkeypatch.setattr("workers.tagger.worker._TRIM_SECONDS", 0.0)
    start().wait_ready()
    wait_until(given_back.is_set, "memory is given back")


def test_a_stop_without_a_broker_waits_no_longer_than_its_budget(
    pipeline: Pipeline, kafka: KafkaCluster, tagger: Tagger, start: Start
) -> None:
    slow = Slow(tagger)
    worker = start(slow, drain_timeout=2, session_timeout_ms=6_000).wait_ready()
    pipeline.produce(posts(50))
    wait_until(lambda: worker.sample("rpbert_posts_received_total") == 50, "all posts taken in")
    kafka.stop()
    try:
        slow.may_tag.set()
        worker.worker.stop()
        worker.join()
        assert worker.failure is None
        worker.close()
    finally:
        kafka.start()
    start()
    assert sorted(int(result.id) for _, result in pipeline.results(50)) == list(range(50))


def test_a_stop_amid_a_commit_that_is_not_answered_takes_its_budget_once(
    pipeline: Pipeline, start: Start
) -> None:
    worker = start(drain_timeout=2, session_timeout_ms=6_000).wait_ready()
    inside: Any = worker.worker
    may_answer, drain, drains = Event(), inside._drain, list[bool]()

    def counted(*partitions: Any, **options: bool) -> None:
        drains.append(True)
        drain(*partitions, **options)

    inside._committer._publisher.commit = lambda *_: may_answer.wait()
    inside._drain = counted
    pipeline.produce(posts(20))
    wait_until(lambda: inside._committer.busy, "a commit that waits")
    worker.worker.stop()
    worker.join()
    may_answer.set()
    assert worker.failure is None
    assert len(drains) == 1


def test_a_lost_device_ends_the_worker_and_commits_nothing(
    pipeline: Pipeline, tagger: Tagger, start: Start
) -> None:
    worker = start(Gone(tagger)).wait_ready()
    pipeline.produce(posts(40))
    wait_until(lambda: not worker.running, "the worker ends")
    assert isinstance(worker.failure, EngineSick)
    assert sum(committed(pipeline.bootstrap_servers, pipeline.topics[0]).values()) == 0
    assert pipeline.dead_letters(0) == []
    worker.close()
    start()
    assert len(pipeline.results(40)) == 40


def limit(pipeline: Pipeline, topic: str, size: int) -> None:
    admin = KafkaAdminClient(bootstrap_servers=pipeline.bootstrap_servers)
    with closing(admin):
        configs = {"max.message.bytes": str(size)}
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=configs)])


def test_a_result_that_its_topic_takes_no_more_becomes_a_dead_letter(
    pipeline: Pipeline, start: Start
) -> None:
    worker = start().wait_ready()
    limit(pipeline, pipeline.topics[1], 1_200)
    # Which no compression makes small; the tiny release takes much of it for a name.
    noise = " ".join(f"W{Random(number).randbytes(6).hex()}" for number in range(600))
    pipeline.produce([*posts(5), *posts(1, first=5, text=noise), *posts(5, first=6)])
    ((_, letter),) = pipeline.dead_letters(1)
    assert letter.reason is DeadLetterReason.RESULT_TOO_LARGE
    assert "max.message.bytes" in letter.message
    assert len(pipeline.results(10)) == 10
    assert worker.running


def test_a_dead_letter_that_its_topic_takes_no_more_goes_without_its_bytes(
    pipeline: Pipeline, start: Start
) -> None:
    worker = start().wait_ready()
    limit(pipeline, pipeline.topics[2], 2_000)
    pipeline.produce([(b"k", Random(1).randbytes(4_500), []), *posts(5)])
    ((record, letter),) = pipeline.dead_letters(1)
    assert (record.value, letter.reason) == (b"", DeadLetterReason.NOT_JSON)
    assert letter.omitted_bytes is not None
    assert letter.omitted_bytes > 4_000
    assert len(pipeline.results(5)) == 5
    assert worker.running


def test_a_backlog_is_held_at_the_limit_of_posts(pipeline: Pipeline, tagger: Tagger, start: Start) -> None:
    slow = Slow(tagger)
    pipeline.produce(posts(3_000))
    worker = start(slow, max_in_flight=100).wait_ready()
    wait_until(lambda: worker.sample("rpbert_consumption_paused") == 1, "partitions are paused")
    turned = worker.health.turned
    wait_until(lambda: worker.health.turned > turned + 1, "polling goes on")
    assert worker.worker._in_flight <= 101
    assert worker.sample("rpbert_posts_received_total") <= 101
    slow.may_tag.set()
    assert len(pipeline.results(3_000)) == 3_000


def test_a_backlog_is_held_at_the_limit_of_bytes(pipeline: Pipeline, tagger: Tagger, start: Start) -> None:
    slow = Slow(tagger)
    # Two kilobytes each on the wire, and two hundred once they are cut into words.
    long = "ab " * 600
    pipeline.produce(posts(40, text=long))
    worker = start(slow, max_in_flight_bytes=2_000_000).wait_ready()
    wait_until(lambda: worker.sample("rpbert_consumption_paused") == 1, "partitions are paused")
    turned = worker.health.turned
    wait_until(lambda: worker.health.turned > turned + 1, "polling goes on")
    heaviest = 340 * 600 + len(long) + 1_000
    assert worker.worker._checkpoint.weight <= 2_000_000 + heaviest
    assert len(worker.worker._checkpoint) < 12
    slow.may_tag.set()
    assert len(pipeline.results(40)) == 40


def test_a_drain_s_budget_fits_the_session() -> None:
    with pytest.raises(ValueError, match="drain_timeout 20 s is more than two thirds"):
        WorkerSettings.model_validate({"session_timeout_ms": 20_000})
