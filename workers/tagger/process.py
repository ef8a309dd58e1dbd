"""A tagger process from its settings to its end: checks, clients, release, loop, signals."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from functools import partial
from types import FrameType
from typing import Final
from uuid import uuid4

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fsspec.callbacks import DEFAULT_CALLBACK, Callback
from kafka import KafkaConsumer
from kafka.errors import CorruptRecordError, FencedInstanceIdError, KafkaError, RetriableError
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_random_exponential

from model.config import GateKind
from model.device import DeviceError, pick_device
from model.inference import Tagger
from model.release import ReleaseError, local_release
from model.signing import read_public_key
from model.store.reference import Reference, is_reference
from model.store.store import ReleaseStore
from workers import kafka_clients, logs
from workers.doctor.quick import require_what_a_worker_needs
from workers.errors import SetupError
from workers.fetching import LoggedFetch
from workers.kafka_cures import MemberReplaced
from workers.metrics import Metrics
from workers.settings import Delivery, ModelSettings, WorkerSettings
from workers.tagger.device_metrics import watch_device
from workers.tagger.engine import EngineSick
from workers.tagger.health import Health, HealthServer
from workers.tagger.lasting import lasting
from workers.tagger.outcome import Outcomes, Traces
from workers.tagger.pictures.decoder import prepare_decoding
from workers.tagger.publisher import PlainPublisher, Publisher, PublisherLost, RecordTooLarge
from workers.tagger.serving.follower import Follower
from workers.tagger.serving.serving import Serving
from workers.tagger.transactional_publisher import TransactionalPublisher
from workers.tagger.worker import Worker
from workers.topics import TopicLimits, require_topics

_log = structlog.get_logger(__name__)

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_SECOND_SIGNAL_STATUS: Final = 130
_ASK_SECONDS: Final = 60.0
_CLOSE_SECONDS: Final = 5.0
_OTLP_VARIABLES: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def serve(settings: WorkerSettings, assembled: Callable[[int], None] = lambda _: None) -> None:
    """Tag posts until a signal ends it.

    Args:
        settings: of the worker.
        assembled: is told the port of its endpoint, once all is there and the work begins.

    Raises:
        SetupError: something is missing or wrong; the message says what to change.
    """
    logs.set_up()
    # Before there is a worker to drain, a signal simply ends us, also as process 1 of a container.
    for number in _SIGNALS:
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    try:
        with ExitStack() as stack:
            with lasting():
                worker, follower, port = _assemble(settings, stack)
            _stop_on_signals(worker)
            assembled(port)
            with follower:
                worker.run()
    except (EngineSick, KafkaError, MemberReplaced, PublisherLost, RecordTooLarge) as error:
        raise _told(error, settings) from error
    _log.info("the worker has stopped")


def _assemble(
    settings: WorkerSettings, stack: ExitStack
) -> tuple[Worker, AbstractContextManager[object], int]:
    """Everything a worker is made of, what is wrong most often first, and its port; the stack closes it."""
    prepare_decoding()
    health, metrics = Health(), Metrics()
    server = HealthServer(health, metrics.registry, settings.metrics_host, settings.metrics_port)
    stack.callback(server.close)
    limits, amiss = _asked(settings)
    serving = Serving(_ready_tagger(settings), settings.pictures, settings.candidate, metrics)
    consumer = kafka_clients.group_consumer(settings)
    stack.callback(consumer.close, timeout_ms=_CLOSE_SECONDS * 1_000)
    publisher = make_publisher(settings, consumer)
    stack.callback(publisher.close, _CLOSE_SECONDS)
    _log.info("the worker starts", release=serving.current.name, metrics_port=server.port)
    watch_device(serving.current.tagger.device, metrics)
    if amiss:
        _log.warning("`rpbert doctor` would say", amiss=amiss)
    worker = Worker(
        settings,
        serving=serving,
        consumer=consumer,
        publisher=publisher,
        outcomes=Outcomes(settings.kafka, limits, metrics, _traces(settings, stack)),
        metrics=metrics,
        health=health,
    )
    return worker, make_follower(settings, serving, metrics), server.port


@retry(
    retry=retry_if_exception_type(RetriableError),
    wait=wait_random_exponential(multiplier=0.1, max=2),
    stop=stop_after_delay(_ASK_SECONDS),
    reraise=True,
)
def _asked(settings: WorkerSettings) -> tuple[TopicLimits, list[str]]:
    """What the topics take and what is amiss; asked again where a broker goes in the middle of it."""
    with closing(kafka_clients.admin(settings.kafka)) as admin:
        return require_topics(admin, settings.kafka), require_what_a_worker_needs(admin, settings)


def _traces(settings: WorkerSettings, stack: ExitStack) -> Traces | None:
    """What traces posts, if that is wanted."""
    wanted = settings.otlp_endpoint or any(map(os.environ.get, _OTLP_VARIABLES))
    if not wanted or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    try:
        from workers.tagger.tracing import PostTraces  # noqa: PLC0415 - an optional dependency
    except ModuleNotFoundError as error:
        raise SetupError(
            f"traces are to go to an OTLP endpoint and {error.name} is missing: install the extra with "
            "`pip install 'rpbert-stream[tracing]'`, or unset --otlp-endpoint and OTEL_EXPORTER_OTLP_*"
        ) from error
    traces = PostTraces(settings)
    stack.callback(traces.close)
    return traces


def make_follower(
    settings: WorkerSettings, serving: Serving, metrics: Metrics
) -> AbstractContextManager[object]:
    """What follows the channel that the settings name the release by; nothing for any other release.

    Raises:
        SetupError: the public key can't be read, or a candidate is wanted and no channel is followed.
    """
    named = settings.model.release
    reference = Reference.parse(named) if local_release(named) is None and is_reference(named) else None
    if reference is None or not isinstance(reference.target, str):
        if settings.candidate.wanted:
            raise SetupError(
                f"canary_share and shadow_share need a release that is followed, and --release {named} is "
                "not: give a store and a channel, such as s3://bucket/releases#stable"
            )
        return nullcontext()
    return Follower(
        settings,
        reference.target,
        ReleaseStore(reference.store),
        key=_public_key(settings.model),
        serving=serving,
        metrics=metrics,
    )


def _ready_tagger(settings: WorkerSettings) -> Tagger:
    tagger = load_tagger(settings.model, progress=LoggedFetch(settings.model.release))
    try:
        tagger.rehearse(posts=settings.batch.batch_posts, tokens=settings.batch.batch_tokens)
    except ReleaseError as error:
        raise SetupError(f"{error} (--release {settings.model.release})") from error
    return tagger


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
        return TransactionalPublisher(
            connect, partial(kafka_clients.committed_offsets, settings.kafka, settings.group_id)
        )
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
        case RetriableError():
            says = (
                f"the brokers of {settings.kafka.bootstrap_servers} do not answer "
                f"({type(error).__name__}): look at them, then start the worker again"
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


def load_tagger(
    settings: ModelSettings, *, gate: GateKind | None = None, progress: Callback = DEFAULT_CALLBACK
) -> Tagger:
    """Load the release that the settings name, for ablation with another gate than its own.

    What is fetched from a store is told to `progress`.

    Raises:
        SetupError: it isn't there, or can't be trusted.
    """
    key = _public_key(settings)
    try:
        pick_device(settings.device)
    except DeviceError as error:
        raise SetupError(f"{error} (--device {settings.device})") from error
    try:
        return Tagger.load(
            settings.release,
            device=settings.device,
            dtype=settings.dtype,
            gate=gate,
            key=key,
            progress=progress,
        )
    except ReleaseError as error:
        raise SetupError(f"{error} (--release {settings.release})") from error


def _public_key(settings: ModelSettings) -> Ed25519PublicKey | None:
    try:
        return None if settings.public_key is None else read_public_key(settings.public_key)
    except ReleaseError as error:
        raise SetupError(f"{error} (--public-key {settings.public_key})") from error


def _stop_on_signals(work: Worker) -> None:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        if work.stopping:
            # Nothing is lost: what isn't committed is read again.
            os._exit(_SECOND_SIGNAL_STATUS)
        work.stop()

    for number in _SIGNALS:
        signal.signal(number, stop)
