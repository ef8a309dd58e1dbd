"""The local Kafka: what it holds over a stop, a crash and a restart."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

from tests.conftest import MakeTopics
from workers.local import kafka as kafka_module
from workers.local.errors import LocalServiceError, PortTakenError
from workers.local.kafka import KafkaCluster
from workers.local.ports import LOOPBACK, free_ports


def produce(cluster: KafkaCluster, topic: str, *values: bytes) -> None:
    producer = KafkaProducer(bootstrap_servers=cluster.bootstrap_servers)
    try:
        for value in values:
            producer.send(topic, value).get(timeout=30)
    finally:
        producer.close()


def consume(cluster: KafkaCluster, topic: str, count: int) -> list[bytes]:
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=cluster.bootstrap_servers,
        auto_offset_reset="earliest",
        consumer_timeout_ms=30_000,
    )
    try:
        return [record.value for record in islice(consumer, count)]
    finally:
        consumer.close()


@contextmanager
def admin_of(cluster: KafkaCluster) -> Iterator[Any]:
    admin = KafkaAdminClient(bootstrap_servers=cluster.bootstrap_servers)
    try:
        yield admin
    finally:
        admin.close()


def test_a_record_goes_in_and_comes_out(kafka: KafkaCluster, topic: str) -> None:
    produce(kafka, topic, b"one", b"two")
    assert consume(kafka, topic, 2) == [b"one", b"two"]


def test_a_topic_is_never_made_by_a_typing_error(kafka: KafkaCluster) -> None:
    with admin_of(kafka) as admin:
        before = set(admin.list_topics())
        admin.describe_topics(["posts.row"])
        assert set(admin.list_topics()) == before


def test_topics_get_the_partitions_and_configuration_asked_for(
    kafka: KafkaCluster, make_topics: MakeTopics
) -> None:
    first, second = make_topics("a", "b", partitions=3, cleanup_policy="compact")
    with admin_of(kafka) as admin:
        described = {found["name"]: found for found in admin.describe_topics([first, second])}
    assert [len(described[name]["partitions"]) for name in (first, second)] == [3, 3]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_restarted_broker_keeps_its_address_and_its_records(tmp_path: Path, end: str) -> None:
    with KafkaCluster(data_dir=tmp_path) as cluster:
        with admin_of(cluster) as admin:
            admin.create_topics(["kept"], wait_for_metadata=True)
        produce(cluster, "kept", b"before")
        address = cluster.bootstrap_servers
        (broker,) = cluster.brokers

        getattr(broker, end)()
        assert not broker.running
        broker.start()

        assert cluster.bootstrap_servers == address
        produce(cluster, "kept", b"after")
        assert consume(cluster, "kept", 2) == [b"before", b"after"]


def test_a_given_directory_is_taken_up_again_by_the_next_cluster(tmp_path: Path) -> None:
    with KafkaCluster(data_dir=tmp_path) as first:
        with admin_of(first) as admin:
            admin.create_topics(["kept"], wait_for_metadata=True)
        produce(first, "kept", b"yesterday")
    with KafkaCluster(data_dir=tmp_path) as second:
        assert consume(second, "kept", 1) == [b"yesterday"]


def test_three_brokers_outlive_the_crash_of_one(three_brokers: KafkaCluster, make_topics: MakeTopics) -> None:
    (topic,) = make_topics("replicated", cluster=three_brokers)
    produce(three_brokers, topic, b"before")
    victim = three_brokers.brokers[0]

    victim.kill()
    produce(three_brokers, topic, b"without it")
    victim.start()

    produce(three_brokers, topic, b"with it again")
    assert consume(three_brokers, topic, 3) == [b"before", b"without it", b"with it again"]


def test_closing_leaves_no_process_and_no_temporary_file() -> None:
    with KafkaCluster() as cluster:
        (broker,) = cluster.brokers
        pid, directory = broker.pid, broker.log_path.parent
    assert not directory.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as occupant:
        occupant.bind((LOOPBACK, 0))
        occupant.listen()
        port = occupant.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"Port {port} for Apache Kafka was taken"):
            KafkaCluster(port=port).__enter__()


def test_a_port_lost_to_another_process_is_chosen_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as occupant:
        occupant.bind((LOOPBACK, 0))
        occupant.listen()
        taken = occupant.getsockname()[1]
        first = iter([True])
        monkeypatch.setattr(
            kafka_module,
            "free_ports",
            lambda count: [taken, *free_ports(count - 1)] if next(first, False) else free_ports(count),
        )
        with KafkaCluster() as cluster:
            assert cluster.bootstrap_servers != f"{LOOPBACK}:{taken}"
            assert cluster.running


def test_a_broker_that_cannot_start_says_why_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(LocalServiceError) as caught:
        KafkaCluster(data_dir=tmp_path, properties={"log.retention.ms": "soon"}).__enter__()
    message = str(caught.value)
    assert "log.retention.ms" in message
    assert "\n" not in message
