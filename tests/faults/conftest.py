"""Every test here breaks something: `pytest -m "not faults"` leaves them out."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import MakeTopics
from tests.pipeline import Pipeline, pipeline_on
from workers.local.kafka import KafkaCluster
from workers.local.valkey import ValkeyServer

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.faults)


@pytest.fixture
def replicated(
    three_brokers: KafkaCluster,
    valkey: ValkeyServer,
    tiny_release: Path,
    make_topics: MakeTopics,
    tmp_path: Path,
) -> Iterator[Pipeline]:
    """As `pipeline`, on three brokers that replicate."""
    topics = make_topics("raw", "entities", "dlq", partitions=4, cluster=three_brokers)
    with pipeline_on(
        three_brokers.bootstrap_servers,
        topics,
        redis_url=valkey.url,
        release=tiny_release,
        directory=tmp_path,
    ) as made:
        yield made
