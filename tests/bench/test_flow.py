"""How the benches read a worker and a topic: what a figure would be wrong by."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from time import sleep
from typing import cast

import pytest
from kafka import KafkaProducer
from prometheus_client import generate_latest

from bench.arrivals import Arrivals
from bench.flow import Flow, flow, pace, told
from bench.latency import open_loop
from bench.posts import Posts
from tests.conftest import MakeTopics
from workers.local.kafka import KafkaCluster
from workers.local.valkey import ValkeyServer
from workers.local.worker_process import WorkerProcess
from workers.metrics import Metrics

PATIENCE = 30.0


class OfPages:
    """A worker that begins a batch now and then: so many posts each, in turn."""

    running = True

    def __init__(self, *sizes: int) -> None:
        self._sizes, self._looks, self._metrics = iter(sizes), count(1), Metrics()

    def metrics(self) -> str:
        if next(self._looks) % 4 == 0:
            self._metrics.batch_posts.observe(next(self._sizes))
        return generate_latest(self._metrics.registry).decode()


def test_pace_counts_the_posts_of_whole_batches() -> None:
    """It begins with the batch of 10; the one that it ends at is not yet tagged."""
    worker = cast(WorkerProcess, OfPages(10, 20, 30, 40, 1_000, 1_000))
    assert pace(worker, 50).posts in {10 + 20 + 30, 10 + 20 + 30 + 40}


def test_a_metric_is_summed_over_all_labels_but_those_named() -> None:
    metrics = Metrics()
    for stage, seconds in (("tag", 1.5), ("tag", 2.0), ("describe", 4.0)):
        metrics.stage_seconds.labels(stage).observe(seconds)

    class Told:
        running = True

        def metrics(self) -> str:
            return generate_latest(metrics.registry).decode()

    worker = cast(WorkerProcess, Told())
    assert told(worker, "stage_duration_seconds_sum", stage="tag") == 3.5
    assert told(worker, "stage_duration_seconds_sum") == 7.5
    assert told(worker, "stage_duration_seconds_count", stage="describe") == 1
    assert told(worker, "posts_dead_lettered_total") == 0
    with pytest.raises(KeyError, match="rpbert_stage_seconds_sum"):
        told(worker, "stage_seconds_sum")


def test_lost_and_doubled_are_counted_and_what_was_aborted_is_not_seen(
    kafka: KafkaCluster, make_topics: MakeTopics
) -> None:
    (topic,) = make_topics("results", partitions=2)
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap_servers, transactional_id=topic, acks="all")
    producer.init_transactions()
    for numbers, kept in (((0, 1), True), ((2,), False), ((1, 4), True)):
        producer.begin_transaction()
        for number in numbers:
            producer.send(topic, json.dumps({"id": str(number)}).encode(), partition=number % 2)
        producer.flush()
        if kept:
            producer.commit_transaction()
        else:
            producer.abort_transaction()
    producer.close()
    with Arrivals.reading(kafka.bootstrap_servers, topic) as arrivals:
        assert set(arrivals.await_all(3, PATIENCE)) == {0, 1, 4}
        arrivals.settle(0.2, PATIENCE)
        assert arrivals.lost(range(5)) == 2
        assert arrivals.doubled(range(5)) == 1


def test_posts_are_due_at_their_rate_though_their_producer_is_held_up(
    kafka: KafkaCluster, valkey: ValkeyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A post's time counts from when it was due: those behind a stall have waited too."""
    send = Flow.send

    def stalling(self: Flow, producer: KafkaProducer, posts: Posts, number: int) -> object:
        if number == 2:
            sleep(0.5)
        return send(self, producer, posts, number)

    monkeypatch.setattr(Flow, "send", stalling)
    with (
        flow(kafka, valkey, "small", tmp_path) as topics,
        Arrivals.reading(kafka.bootstrap_servers, topics.topics[0]) as arrivals,
    ):
        due = open_loop(topics, Posts(), range(6), rate=50)
        seen = arrivals.await_all(6, PATIENCE)
    assert [later - due[0] for later in due] == pytest.approx([index / 50 for index in range(6)])
    assert all(seen[number] - due[number] > 0.4 for number in (2, 3, 4))
