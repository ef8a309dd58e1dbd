"""Print the entities of posts as they are committed; `python consume.py HOST:PORT [HOW-MANY]`."""

import itertools
import json
import sys

from kafka import KafkaConsumer

consumer = KafkaConsumer(
    "posts.entities",
    bootstrap_servers=sys.argv[1],
    group_id="my-application",
    auto_offset_reset="earliest",
    # Without it results of transactions that were given up are seen, too.
    isolation_level="read_committed",
)
limit = int(sys.argv[2]) if len(sys.argv) > 2 else None
for record in itertools.islice(consumer, limit):
    post = json.loads(record.value)
    for entity in post["entities"]:
        sys.stdout.write(f"{post['id']}\t{entity['type']}\t{entity['text']}\t{entity['score']:.2f}\n")
    consumer.commit()
consumer.close()
