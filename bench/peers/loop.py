"""A loop of kafka-python, as most begin: `python -m bench.peers.loop POSTS --servers ...`.

Offsets are committed once the results of all that was read are acknowledged: at least once. With 1 for POSTS
the network has one post at a time; else as many as one poll brings, in the order of their arrival.
"""

from __future__ import annotations

import sys
from time import monotonic

from kafka import KafkaConsumer, KafkaProducer

from bench.peers.function import TagFunction
from bench.peers.place import COMMIT_SECONDS, SESSION_MS, told


def main() -> None:
    """Read, tag, produce, commit, for ever."""
    at_once = int(sys.argv.pop(1))
    place = told()
    tag = TagFunction(place.features)
    producer = KafkaProducer(
        bootstrap_servers=place.servers, acks="all", enable_idempotence=True, linger_ms=5
    )
    consumer = KafkaConsumer(
        place.source,
        bootstrap_servers=place.servers,
        group_id=place.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        session_timeout_ms=SESSION_MS,
        heartbeat_interval_ms=1_000,
        fetch_max_wait_ms=50,
    )
    committed = monotonic()
    while True:
        polled = consumer.poll(timeout_ms=20, max_records=at_once)
        records = [record for each in polled.values() for record in each]
        if records:
            for record, result in zip(records, tag([record.value for record in records]), strict=True):
                producer.send(place.results, key=record.key, value=result)
        if monotonic() - committed >= COMMIT_SECONDS:
            producer.flush()
            consumer.commit()
            committed = monotonic()


if __name__ == "__main__":
    main()
