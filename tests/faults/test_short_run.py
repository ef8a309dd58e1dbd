"""The fault suite in small; `make test-faults` is the whole."""

from pathlib import Path

import pytest

from tests.faults.build import built
from tests.faults.run import Plan, run
from tests.faults.schedule import Action, Counts
from workers.local.kafka import KafkaCluster


@pytest.mark.timeout(900)
def test_killed_workers_a_killed_broker_and_no_redis_lose_and_double_nothing(
    three_brokers: KafkaCluster, tiny_release: Path, tmp_path: Path
) -> None:
    counts = Counts(worker_kills=4, broker_kills=1, broker_stops=1, redis_kills=1, joins=1, visits=1)
    plan = Plan(seed=3, posts=6_000, pods=2, counts=counts)
    with built(three_brokers, tiny_release, tmp_path, pods=plan.pods) as (stage, workload):
        finding = run(plan, stage, workload, print)
    assert finding.wrong == []
    assert finding.posts == finding.outcomes > plan.posts
    assert finding.done[Action.KILL_WORKER] == counts.worker_kills
    assert finding.done[Action.KILL_BROKER] == counts.broker_kills
    assert finding.done[Action.VISIT] == counts.visits
