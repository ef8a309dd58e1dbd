from contextlib import closing
from time import monotonic

import pytest

from tests.conftest import MakeTopics
from workers import kafka_clients
from workers.local.kafka import KafkaCluster
from workers.settings import KafkaSettings, WorkerSettings


@pytest.mark.parametrize("attempt", range(4))
def test_a_join_that_outlasts_many_polls_is_finished(
    kafka: KafkaCluster, make_topics: MakeTopics, attempt: int
) -> None:
    (topic,) = make_topics("joined", partitions=4)
    settings = WorkerSettings(
        kafka=KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, input_topic=topic), group_id=topic
    )
    with closing(kafka_clients.group_consumer(settings)) as consumer:
        consumer.subscribe([topic])
        deadline = monotonic() + 20
        while len(consumer.assignment()) < 4 and monotonic() < deadline:
            consumer.poll(timeout_ms=5)
        assert len(consumer.assignment()) == 4
