"""The Kafka clients of the workers, made from the settings, with the options that our guarantees need."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from time import monotonic
from typing import Any, Final, TypeVar

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import KafkaError, KafkaTimeoutError, SaslAuthenticationFailedError
from kafka.structs import MemberState

from workers.errors import SetupError
from workers.kafka_cures import cure_consumer, cure_producer, made_whole
from workers.kafka_records import read_every_record
from workers.settings import Delivery, KafkaSettings, WorkerSettings

# Above any record we are likely to be asked to send; the topics' own limits decide (see TopicLimits).
MAX_REQUEST_BYTES: Final = 32 * 1024 * 1024
_BOOTSTRAP_MS: Final = 10_000
# Members learn of a rebalance by it, and until they do, partitions that move stand still.
_HEARTBEAT_MS: Final = 1_000
_FOR_EVER_MS: Final = 2**31 - 1
# The results that a commit has for one partition: they go in one request, since only one is under way.
_BATCH_BYTES: Final = 128 * 1024
# When a broker dies kafka-python 3.0.12 sends what was under way again with the last batch first.
_IN_FLIGHT_IN_ORDER: Final = 1

_Client = TypeVar("_Client")


def group_consumer(settings: WorkerSettings) -> KafkaConsumer:
    """A consumer of the workers' group; it commits nothing by itself and sees only committed records.

    Raises:
        SetupError: no broker answers.
    """
    consumer = _connected(
        settings.kafka,
        KafkaConsumer,
        bootstrap_timeout_ms=_BOOTSTRAP_MS,
        group_id=settings.group_id,
        group_instance_id=settings.group_instance_id,
        session_timeout_ms=settings.session_timeout_ms,
        heartbeat_interval_ms=_HEARTBEAT_MS,
        # A worker polls all the time but for its drain, which is shorter than a session. An answer to its
        # request to join is waited for as long: where the network loses it, 300 s would be the default.
        max_poll_interval_ms=settings.session_timeout_ms,
        enable_auto_commit=False,
        auto_offset_reset=settings.auto_offset_reset,
        isolation_level="read_committed",
        partition_assignment_strategy=[CooperativeStickyAssignor],
    )
    cure_consumer(consumer)
    return consumer


def publishing_producer(settings: WorkerSettings, *, member: str, batched: bool = True) -> KafkaProducer:
    """The producer of results and dead letters, transactional when delivery is exactly once.

    Args:
        settings: of the worker.
        member: names the transactional id within the group; of two producers with one name the later
            one fences the other (KIP-98).
        batched: whether records share batches.

    Raises:
        SetupError: no broker answers.
    """
    options: dict[str, object] = {
        "bootstrap_timeout_ms": _BOOTSTRAP_MS,
        "acks": "all",
        "enable_idempotence": True,
        "linger_ms": 5,
        "batch_size": _BATCH_BYTES,
        "compression_type": "lz4",
        "max_request_size": MAX_REQUEST_BYTES,
        "max_in_flight_requests_per_connection": _IN_FLIGHT_IN_ORDER,
        # For as long as the broker is away. A batch that expires in mid-transaction leaves kafka-python
        # 3.0.12 with batches that nobody sends any more.
        "delivery_timeout_ms": _FOR_EVER_MS,
    }
    if not batched:
        options["batch_size"] = 1
    if settings.delivery is Delivery.EXACTLY_ONCE:
        options |= {
            "transactional_id": f"{settings.group_id}-{member}",
            "transaction_timeout_ms": settings.transaction_timeout_ms,
            # The next transaction waits this long while the broker still writes the last one's markers.
            "retry_backoff_ms": 5,
        }
    producer = _connected(settings.kafka, KafkaProducer, **options)
    cure_producer(producer)
    return producer


def replaying_producer(settings: KafkaSettings) -> KafkaProducer:
    """The producer of replays: of a topic's dead letters there is one at a time.

    Raises:
        SetupError: no broker answers.
    """
    return _producer_of_a_command(settings, f"rpbert-dlq-replay-{settings.dead_letter_topic}")


def announcing_producer(settings: KafkaSettings) -> KafkaProducer:
    """The producer of release announcements: pointer and marks are seen together.

    Raises:
        SetupError: no broker answers.
    """
    return _producer_of_a_command(settings, f"rpbert-releases-{settings.release_topic}")


def _producer_of_a_command(settings: KafkaSettings, transactional_id: str) -> KafkaProducer:
    """A transactional producer; of two with one id the later one fences the other (KIP-98)."""
    producer = _connected(
        settings,
        KafkaProducer,
        bootstrap_timeout_ms=_BOOTSTRAP_MS,
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        max_request_size=MAX_REQUEST_BYTES,
        max_in_flight_requests_per_connection=_IN_FLIGHT_IN_ORDER,
        transactional_id=transactional_id,
        # When a command is killed, the workers wait so long behind what it had begun to send.
        transaction_timeout_ms=15_000,
        retry_backoff_ms=5,
    )
    cure_producer(producer)
    return producer


def plain_producer(settings: KafkaSettings) -> KafkaProducer:
    """A producer for posts.

    Raises:
        SetupError: no broker answers.
    """
    return _connected(
        settings,
        KafkaProducer,
        bootstrap_timeout_ms=_BOOTSTRAP_MS,
        acks="all",
        enable_idempotence=True,
        max_request_size=MAX_REQUEST_BYTES,
    )


def reading_consumer(
    settings: KafkaSettings, *, from_start: bool, group_id: str | None = None
) -> KafkaConsumer:
    """A consumer that sees only committed records and joins no group; it may commit offsets for one.

    Raises:
        SetupError: no broker answers.
    """
    return _connected(
        settings,
        KafkaConsumer,
        bootstrap_timeout_ms=_BOOTSTRAP_MS,
        group_id=group_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest" if from_start else "latest",
        isolation_level="read_committed",
    )


def committed_offsets(
    settings: KafkaSettings, group_id: str, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, int]:
    """A group's offset of each partition that has one, once no transaction on it is open (KIP-447).

    Raises:
        SetupError: no broker answers.
        kafka.errors.KafkaError: the group's coordinator does not tell, or not in time.
    """
    with closing(reading_consumer(settings, from_start=True, group_id=group_id)) as consumer:
        offsets = {each: consumer.committed(each, timeout_ms=_BOOTSTRAP_MS) for each in partitions}
    return {partition: offset for partition, offset in offsets.items() if offset is not None}


def admin(settings: KafkaSettings) -> KafkaAdminClient:
    """An admin client.

    Raises:
        SetupError: no broker answers.
    """
    return _connected(settings, KafkaAdminClient, bootstrap_timeout_ms=_BOOTSTRAP_MS)


def in_touch(consumer: KafkaConsumer) -> bool:
    """Whether a consumer is a member of its group and its coordinator answers."""
    if consumer.group_metadata().state != MemberState.STABLE:
        return False
    coordinator = consumer._coordinator  # noqa: SLF001 - no public way leads there
    heartbeat = coordinator.heartbeat
    silent = monotonic() - max(heartbeat.last_receive, heartbeat.last_reset)
    # Of a broker that is frozen nothing is heard, not even that the connection is closed.
    late = silent * 1_000 > heartbeat.config["session_timeout_ms"] / 3
    return not (coordinator.coordinator_unknown() or heartbeat.heartbeat_failed or late)


@contextmanager
def told_by_us() -> Iterator[None]:
    """Keeps kafka-python's log quiet where what fails is said by us, in one sentence."""
    log = logging.getLogger("kafka")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)


def _connected(settings: KafkaSettings, client: type[_Client], **options: Any) -> _Client:
    servers = settings.bootstrap_servers
    read_every_record()
    try:
        # A mistyped topic is an error to be told, not a topic to be made.
        if client is not KafkaAdminClient:
            options["allow_auto_create_topics"] = False
        with told_by_us():
            return made_whole(client, **settings.client(), **options)
    except KafkaTimeoutError:
        raise SetupError(
            f"no Kafka broker answers at {servers}; start it, or name another by --bootstrap-servers "
            "or RPBERT_BOOTSTRAP_SERVERS"
        ) from None
    except SaslAuthenticationFailedError:
        raise SetupError(
            f"Kafka at {servers} does not accept the user {settings.sasl_username!r} by "
            f"{settings.sasl_mechanism}; check --sasl-username, --sasl-mechanism and RPBERT_SASL_PASSWORD"
        ) from None
    except (KafkaError, OSError, ValueError) as error:
        raise SetupError(
            f"no connection to Kafka at {servers} ({type(error).__name__}); check --bootstrap-servers, "
            "--security-protocol and the --ssl- files"
        ) from error
