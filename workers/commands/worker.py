"""`rpbert worker`: a tagger process."""

from __future__ import annotations

from workers.settings import WorkerSettings


def worker(*, settings: WorkerSettings = WorkerSettings()) -> None:
    """Tag posts from Kafka to Kafka.

    Reads posts, publishes their entities and relation scores. Any number of workers share the partitions
    of the input topic. SIGTERM or Ctrl-C finishes the posts in flight and commits them; a second one stops
    at once, and the posts in flight go to another worker.

    For example:

        rpbert worker --bootstrap-servers kafka:9092 --redis-url redis://redis:6379/0

        RPBERT_BOOTSTRAP_SERVERS=kafka:9092 rpbert worker --device cuda --metrics-port 9400
    """
    from workers.tagger.process import serve

    serve(settings)
