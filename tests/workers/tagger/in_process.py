"""A whole worker in this process, on a thread of its own: what it holds can be looked at while it works."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any

from model.inference import Tagger, Tagging, TagRequest
from tests.pipeline import PATIENCE_SECONDS, Pipeline, Record
from workers import kafka_clients
from workers.metrics import Metrics
from workers.settings import KafkaSettings, PictureSettings, WorkerSettings
from workers.tagger.health import Health
from workers.tagger.outcome import Outcomes
from workers.tagger.process import make_follower, make_publisher
from workers.tagger.serving.serving import Serving
from workers.tagger.worker import Worker
from workers.topics import TopicLimits


def settings_of(pipeline: Pipeline, **changes: Any) -> WorkerSettings:
    """Settings for a worker on a pipeline's topics."""
    raw, entities, dead = pipeline.topics
    return WorkerSettings.model_validate(
        {
            "kafka": KafkaSettings(
                bootstrap_servers=pipeline.bootstrap_servers,
                input_topic=raw,
                output_topic=entities,
                dead_letter_topic=dead,
            ),
            "pictures": PictureSettings(redis_url=None),
            "group_id": raw,
        }
        | changes
    )


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Wait for a condition; machines may be slow."""
    deadline = monotonic() + PATIENCE_SECONDS
    while not holds():
        assert monotonic() < deadline, f"not seen in time: {what}"
        sleep(0.02)


def posts(count: int, first: int = 0, text: str = "Post from Oslo") -> list[Record]:
    """Records of so many posts under one key, numbered from `first` on."""
    numbers = range(first, first + count)
    return [(b"key", json.dumps({"id": str(number), "text": text}).encode(), []) for number in numbers]


class Slow:
    """A release that tags when it may."""

    def __init__(self, release: Tagger) -> None:
        self._release = release
        self.may_tag = Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._release, name)

    def tag(self, requests: Sequence[TagRequest]) -> list[Tagging]:
        self.may_tag.wait()
        return self._release.tag(requests)


class InProcess:
    """One worker; `close` ends it, whatever state the broker is in."""

    def __init__(self, settings: WorkerSettings, tagger: Any, *, limits: TopicLimits | None = None) -> None:
        """Make it and let it run."""
        self.health, self.metrics = Health(), Metrics()
        self.failure: BaseException | None = None
        self._stack = ExitStack()
        consumer = kafka_clients.group_consumer(settings)
        self._stack.callback(consumer.close, timeout_ms=1_000)
        publisher = make_publisher(settings, consumer)
        self._stack.callback(publisher.close, 1)
        self.serving = Serving(tagger, settings.pictures, settings.candidate, self.metrics)
        self._follower = make_follower(settings, self.serving, self.metrics)
        self.worker = Worker(
            settings,
            serving=self.serving,
            consumer=consumer,
            publisher=publisher,
            outcomes=Outcomes(settings.kafka, limits or TopicLimits(1_000_000, 1_000_000), self.metrics),
            metrics=self.metrics,
            health=self.health,
        )
        self._thread = Thread(target=self._run, name="worker", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether its loop turns."""
        return self._thread.is_alive()

    def wait_ready(self) -> InProcess:
        """Wait until it has its partitions."""
        wait_until(lambda: self.health.ready or not self.running, "a worker that is ready")
        assert self.failure is None
        return self

    def sample(self, name: str, /, **labels: str) -> float:
        """One of its metrics."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    def join(self) -> None:
        """Wait until it has ended."""
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()

    def close(self) -> None:
        """Stop it and close its clients."""
        self.worker.stop()
        self.join()
        self._stack.close()

    def _run(self) -> None:
        try:
            with self._follower:
                self.worker.run()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.failure = error


Start = Callable[..., InProcess]
