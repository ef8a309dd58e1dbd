"""The topics: are they there, spread, copied, kept long enough, and large enough along the whole way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from schemas.post import MAX_IMAGES, MAX_URL_CHARACTERS
from workers.doctor.cluster import Cluster, Topic, every_topic, needed_topics
from workers.doctor.finding import Check, Finding, fail, ok, warn
from workers.kafka_clients import MAX_REQUEST_BYTES
from workers.settings import KafkaSettings

_CREATE: Final = "make it by `rpbert topics create`, or name another"
_SAFE_COPIES: Final = 3
_HOUR_MS: Final = 3_600_000
# A broken cluster on a Friday evening is often looked at on Monday.
_KEPT_MS: Final = 72 * _HOUR_MS
# A post's URLs stand in its result, each character at most four bytes long; entities take the rest.
_LARGEST_RESULT: Final = MAX_IMAGES * MAX_URL_CHARACTERS * 4 + 65_536
# What a dead letter adds to its record, and what one has that goes without its record's bytes.
_REASON_BYTES: Final = 16_384


def there(cluster: Cluster, settings: KafkaSettings) -> Iterator[Finding]:
    """Whether the topics that the cluster was asked for are there."""
    for name in every_topic(settings):
        found = fail if name in needed_topics(settings) else warn
        if name in cluster.missing:
            yield found(Check.TOPICS, f"the topic {name} is not there", _CREATE)
        elif name in cluster.hidden:
            yield found(Check.TOPICS, f"the topic {name} is not there, or not for us to see", _describe(name))
    yield from _partitions(cluster, settings)


def _partitions(cluster: Cluster, settings: KafkaSettings) -> Iterator[Finding]:
    source, output = (cluster.topics.get(name) for name in (settings.input_topic, settings.output_topic))
    if source is None or output is None:
        return
    wanted, had = len(source.partitions), len(output.partitions)
    if wanted == 1:
        yield warn(
            Check.TOPICS,
            f"{source.name} has one partition: one worker works, all others wait",
            f"kafka-topics --alter --topic {source.name} --partitions 24, and {output.name} alike",
        )
    if had < wanted:
        yield warn(
            Check.TOPICS,
            f"{output.name} has {had} partitions and {source.name} {wanted}: results don't stand where "
            "Kafka's partitioner looks for their keys",
            f"kafka-topics --alter --topic {output.name} --partitions {wanted}",
        )
    if had >= wanted > 1:
        yield ok(Check.TOPICS, f"{source.name} has {wanted} partitions, {output.name} {had}")


def copies(cluster: Cluster) -> Iterator[Finding]:
    """Whether each partition has a leader, and copies enough to lose a broker."""
    sound = True
    for topic in cluster.topics.values():
        for finding in _copies(topic):
            sound = False
            yield finding
    single = [topic.name for topic in cluster.topics.values() if _replicas(topic) == 1]
    if single:
        yield warn(
            Check.REPLICATION,
            f"one copy alone of {', '.join(single)}: what is on it goes with its broker's disk",
            f"kafka-reassign-partitions to {_SAFE_COPIES} copies, on {_SAFE_COPIES} brokers or more",
        )
    elif sound and cluster.topics:
        least = min(_replicas(topic) for topic in cluster.topics.values())
        yield ok(Check.REPLICATION, f"{least} copies or more of each partition, all in step")


def _copies(topic: Topic) -> Iterator[Finding]:
    check = Check.REPLICATION
    away = [part["partition_index"] for part in topic.partitions if part["leader_id"] < 0]
    if away:
        listed = ", ".join(map(str, away))
        yield fail(check, f"{topic.name} has no leader for partition {listed}", "start the brokers that lead")
    replicas, in_sync = _replicas(topic), int(topic.config.get("min.insync.replicas", 1))
    behind = [part for part in topic.partitions if len(part["isr_nodes"]) < in_sync]
    if behind and not away:
        yield fail(
            check,
            f"{topic.name} takes no records: fewer than {in_sync} of its copies are in step",
            "start the brokers that are away",
        )
    if in_sync >= replicas > 1:
        yield warn(
            check,
            f"{topic.name} has {replicas} copies and min.insync.replicas {in_sync}: one broker away stops it",
            f"set min.insync.replicas of {topic.name} to {replicas - 1}",
        )
    elif replicas >= _SAFE_COPIES and in_sync == 1:
        yield warn(
            check,
            f"{topic.name} has min.insync.replicas 1: a result may be acknowledged by one broker alone",
            f"set min.insync.replicas of {topic.name} to 2",
        )


def kept(cluster: Cluster, settings: KafkaSettings) -> Iterator[Finding]:
    """Whether records stay until they are read, and whether what is to stay for ever does."""
    check, sound = Check.RETENTION, True
    for name in (settings.input_topic, settings.dead_letter_topic):
        config = cluster.topics[name].config if name in cluster.topics else {}
        policy, milliseconds = config.get("cleanup.policy", "delete"), int(config.get("retention.ms", -1))
        if "compact" in policy:
            sound = False
            yield warn(
                check,
                f"{name} is compacted: of two posts with one key the older may go before it is read",
                f"set cleanup.policy of {name} to delete",
            )
        elif 0 <= milliseconds < _KEPT_MS:
            sound = False
            yield warn(
                check,
                f"{name} keeps records for {milliseconds / _HOUR_MS:g} h: workers that are away for longer "
                "lose what is in it",
                f"set retention.ms of {name} to {_KEPT_MS} or more",
            )
    for name in (settings.replay_topic, settings.release_topic, settings.annotation_topic):
        if name in cluster.topics and "delete" in cluster.topics[name].config.get("cleanup.policy", ""):
            sound = False
            yield warn(
                check,
                f"{name} forgets what is older than its retention",
                f"set cleanup.policy of {name} to compact",
            )
    if sound and settings.input_topic in cluster.topics:
        yield ok(check, f"posts and dead letters stay for {_KEPT_MS // _HOUR_MS} h or more")


def sizes(cluster: Cluster, settings: KafkaSettings) -> Iterator[Finding]:
    """Whether what the input takes passes the producer, the results and the dead letters.

    A consumer needs no limit of its own: it is given a record however large (KIP-74).
    """
    every = (settings.input_topic, settings.output_topic, settings.dead_letter_topic)
    named = [name for name in every if name in cluster.topics]
    limits = {
        name: int(cluster.topics[name].config["max.message.bytes"])
        for name in named
        if "max.message.bytes" in cluster.topics[name].config
    }
    findings = list(_sizes(limits, settings))
    yield from findings
    if len(limits) < len(named):
        yield warn(
            Check.SIZES,
            "the largest record of "
            + ", ".join(name for name in named if name not in limits)
            + " is not for us to read: Kafka's usual megabyte is taken",
            "allow DescribeConfigs on the topics",
        )
    elif limits and not findings:
        yield ok(Check.SIZES, "; ".join(f"{name} takes {limit:,} bytes" for name, limit in limits.items()))


def _sizes(limits: dict[str, int], settings: KafkaSettings) -> Iterator[Finding]:
    check, raw = Check.SIZES, limits.get(settings.input_topic, 0)
    for name, limit in limits.items():
        if limit > MAX_REQUEST_BYTES:
            yield warn(
                check,
                f"{name} takes {limit:,} bytes, and rpbert sends {MAX_REQUEST_BYTES:,} at most",
                f"set max.message.bytes of {name} to {MAX_REQUEST_BYTES} or less",
            )
    output = limits.get(settings.output_topic, _LARGEST_RESULT)
    if output < _LARGEST_RESULT:
        yield warn(
            check,
            f"{settings.output_topic} takes {output:,} bytes: a result with long URLs becomes a dead letter",
            f"set max.message.bytes of {settings.output_topic} to {_LARGEST_RESULT} or more",
        )
    name = settings.dead_letter_topic
    letter = limits.get(name, raw + _REASON_BYTES)
    if letter < _REASON_BYTES:
        yield fail(
            check,
            f"{name} takes {letter:,} bytes: a dead letter may not fit, and then the worker ends",
            f"set max.message.bytes of {name} to {raw + _REASON_BYTES} or more",
        )
    elif letter < raw + _REASON_BYTES:
        yield warn(
            check,
            f"{name} takes {letter:,} bytes and {settings.input_topic} {raw:,}: a large dead letter goes "
            "without its record's bytes",
            f"set max.message.bytes of {name} to {raw + _REASON_BYTES} or more",
        )


def _replicas(topic: Topic) -> int:
    return min((len(part["replica_nodes"]) for part in topic.partitions), default=0)


def _describe(name: str) -> str:
    return f"kafka-acls --add --operation Describe --topic {name}, or `rpbert topics create`"
