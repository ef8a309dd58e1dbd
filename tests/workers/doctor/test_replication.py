"""Copies of the partitions, on three brokers of which one goes away."""

from __future__ import annotations

from contextlib import closing

from kafka import KafkaAdminClient

from tests.conftest import MakeTopics
from tests.workers.doctor.conftest import Doctor
from workers.local.kafka import KafkaCluster

LARGE = {"max_message_bytes": "2097176"}


def test_copies_that_are_too_few_or_away(
    doctor: Doctor, three_brokers: KafkaCluster, make_topics: MakeTopics
) -> None:
    (raw,) = make_topics("raw", partitions=2, cluster=three_brokers, min_insync_replicas="2")
    (sound,) = make_topics("dlq", partitions=2, cluster=three_brokers, **LARGE)
    (all_three,) = make_topics("three", partitions=2, cluster=three_brokers, min_insync_replicas="3")
    (one_alone,) = make_topics("one", partitions=2, cluster=three_brokers, min_insync_replicas="1")
    at = [
        *("--bootstrap-servers", three_brokers.bootstrap_servers),
        *("--input-topic", raw, "--dead-letter-topic", sound),
    ]

    strict = doctor(*at, "--output-topic", all_three).of("replication", "warn")
    assert any(
        f"one broker away stops it -> set min.insync.replicas of {all_three} to 2" in each for each in strict
    )
    lax = doctor(*at, "--output-topic", one_alone).of("replication", "warn")
    assert any("acknowledged by one broker alone" in each and one_alone in each for each in lax)
    assert doctor(*at, "--output-topic", sound).of("replication", "ok") == [
        "3 copies or more of each partition, all in step -> "
    ]

    single = f"single.{raw}"
    with closing(KafkaAdminClient(bootstrap_servers=three_brokers.bootstrap_servers)) as admin:
        # One partition on each broker.
        admin.create_topics({single: {"num_partitions": 3, "replication_factor": 1}}, wait_for_metadata=True)
    three_brokers.brokers[0].stop()
    try:
        short = doctor(*at, "--output-topic", all_three)
        lost = doctor(*at, "--output-topic", single)
    finally:
        three_brokers.start()
    assert short.failing == {"replication"}
    assert f"{all_three} takes no records: fewer than 3" in short.of("replication", "fail")[0]
    assert lost.failing == {"replication"}
    assert f"{single} has no leader for partition" in lost.of("replication", "fail")[0]
