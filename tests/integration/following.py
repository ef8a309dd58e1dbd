"""A worker that follows a release store, and posts that never end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from threading import Event, Thread
from typing import Any

from kafka import KafkaProducer

from model.inference import Tagger
from tests.pipeline import Pipeline
from tests.workers.tagger.in_process import InProcess, settings_of
from workers.settings import KafkaSettings, WorkerSettings

TEXT = "Anita Borg speaks in Lisbon tonight"
AUTHORS = 17
# A worker that doesn't look by itself within the test: what it hears is all it has.
NEVER = {"release_poll_seconds": 3_600}
_PAUSE_SECONDS = 0.01


def following_settings(
    pipeline: Pipeline, announcing: KafkaSettings, store: str, **changes: Any
) -> WorkerSettings:
    """Settings of a worker that follows the store's stable channel."""
    settings = settings_of(pipeline, **changes)
    kafka = settings.kafka.model_copy(update={"release_topic": announcing.release_topic})
    model = settings.model.model_copy(update={"release": f"{store}#stable", "dtype": "float32"})
    return settings.model_copy(update={"kafka": kafka, "model": model})


def following(pipeline: Pipeline, announcing: KafkaSettings, store: str, **changes: Any) -> InProcess:
    """Such a worker, in this process."""
    settings = following_settings(pipeline, announcing, store, **changes)
    return InProcess(settings, Tagger.load(settings.model.release, dtype="float32"))


@contextmanager
def steady_stream(pipeline: Pipeline) -> Iterator[Callable[[], int]]:
    """Posts that come until the end, each under one of many authors; gives how many were written."""
    ending, written = Event(), count()
    sent = [0]

    def send() -> None:
        producer = KafkaProducer(bootstrap_servers=pipeline.bootstrap_servers, acks="all", linger_ms=5)
        for number in written:
            if ending.wait(_PAUSE_SECONDS):
                break
            post = {"id": str(number), "text": TEXT}
            producer.send(
                pipeline.topics[0], key=f"author {number % AUTHORS}".encode(), value=json.dumps(post).encode()
            )
            sent[0] += 1
        producer.close()

    thread = Thread(target=send)
    thread.start()
    try:
        yield lambda: sent[0]
    finally:
        ending.set()
        thread.join()
