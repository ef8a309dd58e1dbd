"""The broker that keeps a group's offsets and a transaction's state dies in the middle of both."""

import pytest
from kafka import KafkaAdminClient
from kafka.protocol.metadata.find_coordinator import CoordinatorType

from tests.faults.checked import POD, checked, produce, until
from tests.pipeline import Pipeline
from workers.local.kafka import KafkaCluster
from workers.local.kafka_broker import KafkaBroker


def broker_of(cluster: KafkaCluster, kind: CoordinatorType, key: str) -> KafkaBroker:
    """The broker that coordinates a group or the transactions of a producer."""
    admin = KafkaAdminClient(bootstrap_servers=cluster.bootstrap_servers)
    try:
        node: int = admin._manager.run(admin._find_coordinator_id, key, kind)
    finally:
        admin.close()
    return next(broker for broker in cluster.brokers if broker.node_id == node)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", [CoordinatorType.GROUP, CoordinatorType.TRANSACTION])
def test_a_coordinator_that_moves_loses_and_doubles_nothing(
    three_brokers: KafkaCluster, replicated: Pipeline, kind: CoordinatorType
) -> None:
    worker = replicated.worker(*POD)
    ledger = produce(replicated, 3_000)
    group = replicated.topics[0]
    with checked(replicated) as checker:
        until(lambda: checker.distinct >= 100, worker)
        broker = broker_of(three_brokers, kind, group if kind is CoordinatorType.GROUP else f"{group}-pod-0")
        broker.kill()
        try:
            # The broker stays away: only another one can do its work.
            until(lambda: checker.distinct == len(ledger), worker)
            worker.stop()
        finally:
            broker.start()
    assert worker.exit_status == 0
    assert checker.findings(ledger) == []
