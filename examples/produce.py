"""Produce one post; `python produce.py HOST:PORT`."""

import json
import sys

from kafka import KafkaProducer

producer = KafkaProducer(bootstrap_servers=sys.argv[1], acks="all", enable_idempotence=True)
post = {
    "id": "python-1",
    "text": "Liftoff! SpaceX sends another Falcon 9 up from Cape Canaveral",
    "image_urls": [],
}
# Posts of one key stay in order; the result has the same key.
sent = producer.send("posts.raw", key=post["id"].encode(), value=json.dumps(post).encode())
place = sent.get(timeout=30)
producer.close()
sys.stdout.write(f"{place.topic} {place.partition}:{place.offset}\n")
