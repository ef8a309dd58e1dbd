"""A tagger process from its settings to its end: checks, clients, release, loop, signals."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from types import FrameType
from typing import Final

import structlog
from kafka.errors import KafkaError

from model.inference import Tagger
from model.release import ReleaseError
from schemas import ReleaseName
from workers import kafka_clients, logs
from workers.errors import SetupError
from workers.metrics import Metrics
from workers.settings import Delivery, ModelSettings, WorkerSettings
from workers.tagger.health import Health, HealthServer
from workers.tagger.outcome import Outcomes
from workers.tagger.publisher import PlainPublisher, Publisher, PublisherLost, TransactionalPublisher
from workers.tagger.worker import Worker
from workers.topics import require_topics

_log = structlog.get_logger(__name__)

_SECOND_SIGNAL_STATUS: Final = 130


def serve(settings: WorkerSettings) -> None:
    """Tag posts until a signal ends it.

    Raises:
        SetupError: something is missing or wrong; the message says what to change.
    """
    logs.set_up()
    health, metrics = Health(), Metrics()
    with ExitStack() as stack:
        server = HealthServer(health, metrics.registry, settings.metrics_host, settings.metrics_port)
        stack.callback(server.close)
        admin = kafka_clients.admin(settings.kafka)
        limits = require_topics(admin, settings.kafka)
        admin.close()
        tagger = load_tagger(settings.model)
        tagger.warm_up()
        metrics.release.info({"name": tagger.name, "version": tagger.version})
        consumer = kafka_clients.group_consumer(settings)
        stack.callback(consumer.close)
        producer = kafka_clients.publishing_producer(settings)
        publisher: Publisher = (
            TransactionalPublisher(producer, consumer)
            if settings.delivery is Delivery.EXACTLY_ONCE
            else PlainPublisher(producer, consumer)
        )
        stack.callback(publisher.close)
        release = ReleaseName(name=tagger.name, version=tagger.version)
        work = Worker(
            settings,
            tagger=tagger,
            consumer=consumer,
            publisher=publisher,
            outcomes=Outcomes(release, settings.kafka, limits, metrics),
            metrics=metrics,
            health=health,
        )
        _stop_on_signals(work)
        _log.info("the worker starts", release=f"{release.name}/{release.version}", metrics_port=server.port)
        try:
            work.run()
        except PublisherLost as error:
            raise SetupError(f"this worker can't go on: {error}; start it again") from error
        except KafkaError as error:
            raise SetupError(
                f"Kafka refuses this worker ({type(error).__name__}); what it had not committed is read "
                "again: check the brokers and the worker's rights, then start it again"
            ) from error
    _log.info("the worker has stopped")


def load_tagger(settings: ModelSettings) -> Tagger:
    """Load the release that the settings name.

    Raises:
        SetupError: it isn't there, or can't be trusted.
    """
    try:
        return Tagger.load(settings.release, device=settings.device, dtype=settings.dtype)
    except ReleaseError as error:
        raise SetupError(f"{error} (--release {settings.release})") from error


def _stop_on_signals(work: Worker) -> None:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        if work.stopping:
            # Nothing is lost: what isn't committed is read again.
            os._exit(_SECOND_SIGNAL_STATUS)
        work.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
