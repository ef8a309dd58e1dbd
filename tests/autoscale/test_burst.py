"""Bursts on a real broker: what is committed is in the ledger, and what markers leave behind is lag."""

from __future__ import annotations

from contextlib import closing

from kafka import KafkaConsumer, TopicPartition

from tests.autoscale.burst import Bursts
from tests.conftest import MakeTopics
from tests.faults.workload import Workload
from workers.local.kafka import KafkaCluster

_PARTITIONS = 3
_POSTS = 600


def test_a_burst_by_transactions_is_whole_and_leaves_a_marker_in_each_partition(
    kafka: KafkaCluster, make_topics: MakeTopics
) -> None:
    (topic,) = make_topics("raw", partitions=_PARTITIONS)
    bursts = Bursts(kafka.bootstrap_servers, topic, _PARTITIONS, Workload())
    bursts.plain(_POSTS)
    bursts.in_transactions(_POSTS)
    places = {(partition, offset): number for partition, offset, number in bursts.ledger.places()}
    assert sorted(places.values()) == list(range(2 * _POSTS))
    seen: dict[tuple[int, int], bytes] = {}
    with closing(
        KafkaConsumer(
            bootstrap_servers=kafka.bootstrap_servers,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
        )
    ) as consumer:
        parts = [TopicPartition(topic, number) for number in range(_PARTITIONS)]
        consumer.assign(parts)
        while len(seen) < len(places):
            for records in consumer.poll(timeout_ms=500).values():
                seen |= {(record.partition, record.offset): record.value for record in records}
        ends = consumer.end_offsets(parts)
    # What aborted transactions hold is nobody's.
    assert seen == {place: Workload().value(number) for place, number in places.items()}
    for part in parts:
        last = max(offset for partition, offset in places if partition == part.partition)
        assert ends[part] == last + 2
