"""A peer without a model that knows no offsets: begun again it does everything twice."""

from __future__ import annotations

import json
import os
from time import sleep

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from bench.peers.place import told

SECONDS = float(os.environ["COPYING_SECONDS"])
"""That it takes over five posts: a machine may be busy while it is to be killed."""


def main() -> None:
    """Copy ids, for ever."""
    place = told()
    producer = KafkaProducer(bootstrap_servers=place.servers)
    consumer = KafkaConsumer(bootstrap_servers=place.servers, enable_auto_commit=False)
    partitions = consumer.partitions_for_topic(place.source) or set()
    consumer.assign([TopicPartition(place.source, number) for number in partitions])
    consumer.seek_to_beginning()
    while True:
        for records in consumer.poll(timeout_ms=50, max_records=5).values():
            for record in records:
                producer.send(place.results, json.dumps({"id": json.loads(record.value)["id"]}).encode())
            producer.flush()
            sleep(SECONDS)


if __name__ == "__main__":
    main()
