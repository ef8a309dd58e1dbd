"""A peer without a model that knows no offsets: `python -m tests.bench.copying_peer first|last ...`.

Begun again it starts with the first record, and does everything twice, or with the last, and leaves out
what came in between.
"""

from __future__ import annotations

import json
import sys

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from bench.peers.place import told


def main() -> None:
    """Copy ids, for ever; a file tells whether it was here before."""
    end = sys.argv.pop(1)
    place = told()
    producer = KafkaProducer(bootstrap_servers=place.servers)
    consumer = KafkaConsumer(bootstrap_servers=place.servers, enable_auto_commit=False)
    partitions = consumer.partitions_for_topic(place.source) or set()
    consumer.assign([TopicPartition(place.source, number) for number in partitions])
    again = place.directory.exists()
    place.directory.mkdir(exist_ok=True)
    consumer.seek_to_beginning()
    if again and end == "last":
        for partition, offset in consumer.end_offsets(consumer.assignment()).items():
            consumer.seek(partition, offset - 1)
    while True:
        for records in consumer.poll(timeout_ms=50, max_records=5).values():
            for record in records:
                producer.send(place.results, json.dumps({"id": json.loads(record.value)["id"]}).encode())
            producer.flush()


if __name__ == "__main__":
    main()
