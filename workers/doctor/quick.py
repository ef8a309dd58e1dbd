"""The part that a worker runs before it joins its group: a few questions to brokers and Redis."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from workers import kafka_clients
from workers.doctor.access import membership, rights, time_outs
from workers.doctor.cluster import Cluster, Group, worker_topics
from workers.doctor.finding import Check, Finding, Verdict, warn
from workers.doctor.redis import redis
from workers.doctor.topics import copies, kept, sizes, there
from workers.errors import SetupError
from workers.settings import WorkerSettings

# What a worker can't begin with, and no broker that comes back mends.
_STOPS: Final = frozenset({Check.TOPICS, Check.RIGHTS, Check.TRANSACTIONS, Check.GROUP})
# A worker goes on without Redis, so it doesn't wait for one.
_REDIS_SECONDS: Final = 1.0


def require_what_a_worker_needs(client: KafkaAdminClient, settings: WorkerSettings) -> list[str]:
    """Look at what is asked for quickly.

    Returns:
        What is amiss and stops no worker, each with what to do.

    Raises:
        SetupError: a worker can't begin so.
    """
    stopping: list[str] = []
    amiss: list[str] = []
    with kafka_clients.told_by_us():
        findings = [
            *kafka(client, settings, worker_topics(settings.kafka)),
            *redis(settings.pictures, seconds=_REDIS_SECONDS),
        ]
    for finding in findings:
        stops = finding.verdict is Verdict.FAIL and finding.check in _STOPS
        if finding.verdict is not Verdict.OK:
            (stopping if stops else amiss).append(f"{finding.says}: {finding.do}")
    if stopping:
        raise SetupError(f"{'; '.join(stopping)}; `rpbert doctor` looks at all of it")
    return amiss


def kafka(client: KafkaAdminClient, settings: WorkerSettings, topics: Collection[str]) -> Iterator[Finding]:
    """How it stands with these topics, with rights and group; only asks."""
    try:
        cluster = Cluster.read(client, topics)
    except KafkaError as error:
        yield unseen(Check.TOPICS, error)
        return
    yield from there(cluster, settings.kafka)
    yield from copies(cluster)
    yield from kept(cluster, settings.kafka)
    yield from sizes(cluster, settings.kafka)
    yield from time_outs(cluster, settings)
    yield from attempted(Check.GROUP, lambda: _group(client, cluster, settings))


def attempted(check: Check, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What a look finds, or that the brokers did not answer."""
    try:
        yield from look()
    except (KafkaError, SetupError) as error:
        yield unseen(check, error)


def unseen(check: Check, error: Exception) -> Finding:
    """What could not be looked at."""
    return warn(
        check,
        f"could not be looked at: the brokers answer {type(error).__name__}",
        "look at the brokers, then run `rpbert doctor` again",
    )


def _group(client: KafkaAdminClient, cluster: Cluster, settings: WorkerSettings) -> Iterator[Finding]:
    group = Group.read(client, settings.group_id)
    yield from rights(cluster, group, settings)
    yield from membership(group, settings)
