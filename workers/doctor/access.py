"""What the brokers allow us: rights, transactions, and membership of the group."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Final

from kafka.errors import (
    InvalidTransactionTimeoutError,
    TransactionalIdAuthorizationFailedError,
)

from workers import kafka_clients
from workers.doctor.cluster import Cluster, Group
from workers.doctor.finding import Check, Finding, fail, ok, warn
from workers.settings import Delivery, WorkerSettings

_PROTOCOL: Final = "cooperative-sticky"
# Fixed, so that the broker's transaction log gets one entry and not one a visit; no worker has this name.
_MEMBER: Final = "rpbert-doctor"


def rights(cluster: Cluster, group: Group, settings: WorkerSettings) -> Iterator[Finding]:
    """Whether we may do with topics and group what a worker does (KIP-430)."""
    kafka = settings.kafka
    needed = ((kafka.input_topic, "READ"), (kafka.output_topic, "WRITE"), (kafka.dead_letter_topic, "WRITE"))
    sound = True
    for name, right in needed:
        topic = cluster.topics.get(name)
        if topic is not None and topic.rights is not None and right not in topic.rights:
            sound = False
            yield fail(
                Check.RIGHTS,
                f"we may not {right.lower()} {name}",
                f"{_allow(settings)} --operation {right.title()} --topic {name}",
            )
    if not group.may_read:
        sound = False
        yield fail(
            Check.RIGHTS,
            f"we may not be in the group {settings.group_id}",
            f"{_allow(settings)} --operation Read --group {settings.group_id}",
        )
    if sound and all(name in cluster.topics for name, _ in needed):
        names = f"read {kafka.input_topic}, write {kafka.output_topic} and {kafka.dead_letter_topic}"
        yield ok(Check.RIGHTS, f"we may {names}, and be in the group {settings.group_id}")


def time_outs(cluster: Cluster, settings: WorkerSettings) -> Iterator[Finding]:
    """Whether the brokers take our time-outs, as far as we may read theirs."""
    ours, most = settings.transaction_timeout_ms, cluster.config.get("transaction.max.timeout.ms")
    if settings.delivery is Delivery.EXACTLY_ONCE and most is not None and ours > int(most):
        yield _too_long(settings, f"the brokers' transaction.max.timeout.ms {most}")
    session = settings.session_timeout_ms
    least, longest = (
        int(cluster.config.get(f"group.{end}.session.timeout.ms", session)) for end in ("min", "max")
    )
    if not least <= session <= longest:
        yield fail(
            Check.GROUP,
            f"session_timeout_ms {session} is not within what the brokers take, {least} to {longest}",
            "set --session-timeout-ms within it, or group.max.session.timeout.ms of the brokers",
        )


def transactions(settings: WorkerSettings) -> Iterator[Finding]:
    """Whether a transactional id of ours is granted, by asking for one that no worker has.

    InitProducerId (KIP-98) under the group's prefix shows right and time-out as they are; it begins no
    transaction, and fences none but another doctor.

    Raises:
        kafka.errors.KafkaError: no coordinator answers.
    """
    if settings.delivery is not Delivery.EXACTLY_ONCE:
        yield ok(Check.TRANSACTIONS, "at_least_once needs none")
        return
    prefix = f"{settings.group_id}-"
    producer = kafka_clients.publishing_producer(settings, member=_MEMBER)
    with closing(producer), kafka_clients.told_by_us():
        try:
            producer.init_transactions()
        except TransactionalIdAuthorizationFailedError:
            yield fail(
                Check.TRANSACTIONS,
                f"we may not use transactional ids that begin with {prefix}",
                f"{_allow(settings)} --operation Write --operation Describe --transactional-id {prefix} "
                "--resource-pattern-type prefixed",
            )
        except InvalidTransactionTimeoutError:
            yield _too_long(settings, "the brokers' transaction.max.timeout.ms")
        else:
            yield ok(
                Check.TRANSACTIONS,
                f"ids that begin with {prefix} are granted, with {settings.transaction_timeout_ms} ms",
            )


def membership(group: Group, settings: WorkerSettings) -> Iterator[Finding]:
    """Whether a worker can join the members that there are."""
    if not group.may_read:
        return
    name, instance = settings.group_id, settings.group_instance_id
    if group.members and group.protocol not in ("", _PROTOCOL):
        yield fail(
            Check.GROUP,
            f"the group {name} shares by {group.protocol}, workers by {_PROTOCOL}: they can't join it",
            "name another group by --group-id, or end the members of this one",
        )
    elif instance is not None and instance in group.members:
        yield warn(
            Check.GROUP,
            f"the group {name} has a member {instance} already: it is put out when this one joins",
            "give each worker a --group-instance-id of its own",
        )
    else:
        count = len(group.members)
        yield ok(Check.GROUP, f"{name} has {count} member{'' if count == 1 else 's'}")


def _too_long(settings: WorkerSettings, bound: str) -> Finding:
    return fail(
        Check.TRANSACTIONS,
        f"transaction_timeout_ms {settings.transaction_timeout_ms} is more than {bound}",
        "lower --transaction-timeout-ms, or raise the brokers' bound",
    )


def _allow(settings: WorkerSettings) -> str:
    return f"kafka-acls --add --allow-principal User:{settings.kafka.sasl_username or 'NAME'}"
