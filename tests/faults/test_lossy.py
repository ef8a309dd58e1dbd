"""What happens, and whose answer never comes."""

from contextlib import closing
from pathlib import Path
from time import monotonic

import pytest
from kafka.protocol.consumer import JoinGroupRequest
from kafka.protocol.producer import EndTxnRequest

from tests.conftest import MakeTopics
from tests.faults.checked import POD, checked, produce, until
from tests.faults.lossy import LossyNetwork
from tests.pipeline import Pipeline, pipeline_on
from workers import kafka_clients
from workers.local.kafka import KafkaCluster
from workers.local.ports import LOOPBACK, free_ports
from workers.local.valkey import ValkeyServer
from workers.settings import KafkaSettings, WorkerSettings


@pytest.mark.timeout(400)
def test_a_commit_whose_answer_is_lost_counts_once(
    valkey: ValkeyServer, tiny_release: Path, make_topics: MakeTopics, tmp_path: Path
) -> None:
    near, far = free_ports(2)
    through = {"advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{near}"}
    with (
        LossyNetwork(near, far, request=EndTxnRequest, number=3) as network,
        KafkaCluster(port=far, properties=through) as cluster,
    ):
        topics = make_topics("raw", "entities", "dlq", partitions=4, cluster=cluster)
        with pipeline_on(
            cluster.bootstrap_servers, topics, redis_url=valkey.url, release=tiny_release, directory=tmp_path
        ) as pipeline:
            assert_each_post_once(pipeline)
        assert network.lost


def assert_each_post_once(pipeline: Pipeline) -> None:
    worker = pipeline.worker(*POD)
    ledger = produce(pipeline, 1_500)
    with checked(pipeline) as checker:
        # Kafka's clients wait 30 s for an answer.
        until(lambda: checker.distinct == len(ledger), worker)
        worker.stop()
    assert worker.exit_status == 0
    assert checker.findings(ledger) == []


@pytest.mark.timeout(400)
def test_a_join_whose_answer_is_lost_is_made_again(make_topics: MakeTopics) -> None:
    near, far = free_ports(2)
    through = {"advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{near}"}
    with (
        # The first is told its member id and to ask with it.
        LossyNetwork(near, far, request=JoinGroupRequest, number=2) as network,
        KafkaCluster(port=far, properties=through) as cluster,
    ):
        (topic,) = make_topics("raw", partitions=2, cluster=cluster)
        kafka = KafkaSettings(bootstrap_servers=cluster.bootstrap_servers, input_topic=topic)
        settings = WorkerSettings(kafka=kafka, group_id=topic, session_timeout_ms=6_000, drain_timeout=3)
        with closing(kafka_clients.group_consumer(settings)) as consumer:
            consumer.subscribe([topic])
            # Kafka's clients wait 30 s for an answer, and for one to a join as long as a session.
            deadline = monotonic() + 60
            while not consumer.assignment() and monotonic() < deadline:
                consumer.poll(timeout_ms=20)
            assert network.lost
            assert len(consumer.assignment()) == 2
