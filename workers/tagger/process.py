"""A tagger process from its settings to its end: checks, clients, release, loop, signals."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack, closing
from functools import partial
from types import FrameType
from typing import Final
from uuid import uuid4

import structlog
from kafka import KafkaConsumer
from kafka.errors import CorruptRecordError, FencedInstanceIdError, KafkaError

from model.config import GateKind
from model.inference import Tagger
from model.release import ReleaseError
from schemas import ReleaseName
from workers import kafka_clients, logs
from workers.errors import SetupError
from workers.kafka_cures import MemberReplaced
from workers.metrics import Metrics
from workers.settings import Delivery, ModelSettings, WorkerSettings
from workers.tagger.engine import EngineSick
from workers.tagger.health import Health, HealthServer
from workers.tagger.outcome import Outcomes
from workers.tagger.publisher import (
    PlainPublisher,
    Publisher,
    PublisherLost,
    RecordTooLarge,
    TransactionalPublisher,
)
from workers.tagger.worker import Worker
from workers.topics import require_topics

_log = structlog.get_logger(__name__)

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_SECOND_SIGNAL_STATUS: Final = 130
_CLOSE_SECONDS: Final = 5.0


def serve(settings: WorkerSettings) -> None:
    """Tag posts until a signal ends it.

    Raises:
        SetupError: something is missing or wrong; the message says what to change.
    """
    logs.set_up()
    # Before there is a worker to drain, a signal simply ends us, also as process 1 of a container.
    for number in _SIGNALS:
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    try:
        with ExitStack() as stack:
            worker = _assemble(settings, stack)
            _stop_on_signals(worker)
            worker.run()
    except (EngineSick, KafkaError, MemberReplaced, PublisherLost, RecordTooLarge) as error:
        raise _told(error, settings) from error
    _log.info("the worker has stopped")


def _assemble(settings: WorkerSettings, stack: ExitStack) -> Worker:
    """Everything a worker is made of, what is wrong most often first; the stack closes it."""
    health, metrics = Health(), Metrics()
    server = HealthServer(health, metrics.registry, settings.metrics_host, settings.metrics_port)
    stack.callback(server.close)
    with closing(kafka_clients.admin(settings.kafka)) as admin:
        limits = require_topics(admin, settings.kafka)
    tagger = load_tagger(settings.model)
    tagger.warm_up()
    release = ReleaseName(name=tagger.name, version=tagger.version)
    metrics.release.info({"name": release.name, "version": release.version})
    consumer = kafka_clients.group_consumer(settings)
    stack.callback(consumer.close, timeout_ms=_CLOSE_SECONDS * 1_000)
    publisher = make_publisher(settings, consumer)
    stack.callback(publisher.close, _CLOSE_SECONDS)
    _log.info("the worker starts", release=f"{release.name}/{release.version}", metrics_port=server.port)
    return Worker(
        settings,
        tagger=tagger,
        consumer=consumer,
        publisher=publisher,
        outcomes=Outcomes(release, settings.kafka, limits, metrics),
        metrics=metrics,
        health=health,
    )


def make_publisher(settings: WorkerSettings, consumer: KafkaConsumer) -> Publisher:
    """The publisher of the delivery that the settings ask for.

    Raises:
        SetupError: no broker answers.
        kafka.errors.KafkaError: the transaction coordinator can't be had.
    """
    connect = partial(
        kafka_clients.publishing_producer, settings, member=settings.group_instance_id or uuid4().hex
    )
    if settings.delivery is Delivery.EXACTLY_ONCE:
        return TransactionalPublisher(connect)
    return PlainPublisher(connect, consumer)


def _told(error: Exception, settings: WorkerSettings) -> SetupError:
    """The end of a worker in one sentence."""
    # What a rebalance's listener raises, kafka-python wraps.
    if isinstance(error.__cause__, EngineSick | PublisherLost | RecordTooLarge):
        error = error.__cause__
    match error:
        case PublisherLost() | MemberReplaced() | FencedInstanceIdError():
            says = f"this worker can't go on: {_lost(error)}: start it again if no other is in its place"
        case EngineSick():
            says = (
                f"{error}, so no post is blamed: check the device ({settings.model.device}) and the release "
                f"({settings.model.release}), then start the worker again"
            )
        case RecordTooLarge():
            says = f"{error}, not even of a dead letter without its bytes: raise its max.message.bytes"
        case CorruptRecordError():
            topic, group = settings.kafka.input_topic, settings.group_id
            says = (
                f"the broker gives out a damaged record of {topic}, which points to its disk: if no replica "
                f"has it whole, put the offsets of the group {group} behind it by kafka-consumer-groups "
                "--reset-offsets, then start the worker again"
            )
        case _:
            says = (
                f"Kafka refuses this worker ({type(error).__name__}): check the brokers, the worker's rights "
                "and its --transaction-timeout-ms, then start it again"
            )
    return SetupError(f"{says}; what was not committed is read again")


def _lost(error: Exception) -> str:
    if isinstance(error, PublisherLost):
        return str(error)
    return "another worker with the same group instance id has started"


def load_tagger(settings: ModelSettings, *, gate: GateKind | None = None) -> Tagger:
    """Load the release that the settings name, for ablation with another gate than its own.

    Raises:
        SetupError: it isn't there, or can't be trusted.
    """
    try:
        return Tagger.load(settings.release, device=settings.device, dtype=settings.dtype, gate=gate)
    except ReleaseError as error:
        raise SetupError(f"{error} (--release {settings.release})") from error


def _stop_on_signals(work: Worker) -> None:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        if work.stopping:
            # Nothing is lost: what isn't committed is read again.
            os._exit(_SECOND_SIGNAL_STATUS)
        work.stop()

    for number in _SIGNALS:
        signal.signal(number, stop)
