"""A commit that happens, and whose answer never comes."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import MakeTopics
from tests.faults.checked import POD, checked, produce, until
from tests.faults.lossy import LossyNetwork
from tests.pipeline import Pipeline
from workers.local.kafka import KafkaCluster
from workers.local.ports import LOOPBACK, free_ports
from workers.local.valkey import ValkeyServer


@pytest.mark.timeout(400)
def test_a_commit_whose_answer_is_lost_counts_once(
    valkey: ValkeyServer, tiny_release: Path, make_topics: MakeTopics, tmp_path: Path
) -> None:
    near, far = free_ports(2)
    through = {"advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{near}"}
    with (
        LossyNetwork(near, far, commits=3) as network,
        KafkaCluster(port=far, properties=through) as cluster,
        ExitStack() as stack,
    ):
        raw, entities, dead = make_topics("raw", "entities", "dlq", partitions=4, cluster=cluster)
        pipeline = Pipeline(
            bootstrap_servers=cluster.bootstrap_servers,
            redis_url=valkey.url,
            release=str(tiny_release),
            topics=(raw, entities, dead),
            partitions=4,
            directory=tmp_path,
            stack=stack,
        )
        worker = pipeline.worker(*POD)
        ledger = produce(pipeline, 1_500)
        with checked(pipeline) as checker:
            # Kafka's clients wait 30 s for an answer.
            until(lambda: checker.distinct == len(ledger), worker)
            worker.stop()
        assert network.lost
        assert worker.exit_status == 0
        assert checker.findings(ledger) == []
