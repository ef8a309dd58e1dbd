"""Every test here breaks something: `pytest -m "not faults"` leaves them out."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import MakeTopics
from tests.pipeline import Pipeline
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
    raw, entities, dead = make_topics("raw", "entities", "dlq", partitions=4, cluster=three_brokers)
    with ExitStack() as stack:
        yield Pipeline(
            bootstrap_servers=three_brokers.bootstrap_servers,
            redis_url=valkey.url,
            release=str(tiny_release),
            topics=(raw, entities, dead),
            partitions=4,
            directory=tmp_path,
            stack=stack,
        )
