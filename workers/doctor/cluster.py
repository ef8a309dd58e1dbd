"""What the brokers say of themselves, of our topics and of our group, read once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    RetriableError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from workers.settings import KafkaSettings
from workers.topics import topic_config

# A new cluster makes its topic of offsets when the first group is asked for.
_COORDINATOR_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as the brokers show it to us.

    Attributes:
        name: its name.
        partitions: leader, replicas and in-sync replicas of each, as Kafka's metadata has them.
        rights: what we may do with it (KIP-430); None if the broker doesn't say.
        config: its configuration; empty if we may not read it.
    """

    name: str
    partitions: tuple[Mapping[str, Any], ...]
    rights: frozenset[str] | None
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Cluster:
    """A broker's settings, and our topics.

    Attributes:
        config: configuration of one broker; empty if we may not read it.
        topics: those that we may see.
        missing: names of topics that are not there.
        hidden: names of topics that we may not see, or that are not there.
    """

    config: Mapping[str, str]
    topics: Mapping[str, Topic]
    missing: frozenset[str]
    hidden: frozenset[str]

    @classmethod
    def read(cls, client: KafkaAdminClient, topics: Collection[str]) -> Self:
        """Ask the brokers about themselves and these topics; changes nothing.

        Raises:
            kafka.errors.KafkaError: a broker doesn't answer.
        """
        nodes = [node for node in client.describe_cluster()["brokers"] if not node.get("is_fenced")]
        described = {topic["name"]: topic for topic in client.describe_topics(list(topics))}
        return cls(
            config=_broker_config(client, str(nodes[0]["broker_id"])),
            topics={
                name: _topic(client, topic) for name, topic in described.items() if not topic["error_code"]
            },
            missing=_with(described, UnknownTopicOrPartitionError),
            hidden=_with(described, TopicAuthorizationFailedError),
        )


@dataclass(frozen=True, slots=True)
class Group:
    """Our consumer group.

    Attributes:
        may_read: whether we may be in it.
        protocol: how its members share the partitions; empty without members.
        members: group instance id of each, None for a dynamic one.
    """

    may_read: bool
    protocol: str
    members: tuple[str | None, ...]

    @classmethod
    def read(cls, client: KafkaAdminClient, group_id: str) -> Self:
        """Ask the group's coordinator.

        Raises:
            kafka.errors.KafkaError: no coordinator answers.
        """
        asking = Retrying(
            retry=retry_if_exception_type(RetriableError),
            stop=stop_after_delay(_COORDINATOR_SECONDS),
            wait=wait_fixed(0.1),
            reraise=True,
        )
        try:
            described = asking(_describe_group, client, group_id)
        except GroupAuthorizationFailedError:
            return cls(may_read=False, protocol="", members=())
        rights = described["authorized_operations"]
        return cls(
            may_read=rights is None or "READ" in rights,
            protocol=described["protocol_data"],
            members=tuple(member.get("group_instance_id") for member in described["members"]),
        )


def needed_topics(settings: KafkaSettings) -> tuple[str, ...]:
    """The topics that a worker can't be without, in the order of a post's way."""
    return (settings.input_topic, settings.output_topic, settings.dead_letter_topic)


def worker_topics(settings: KafkaSettings) -> tuple[str, ...]:
    """The topics that a worker reads or writes."""
    return (*needed_topics(settings), settings.release_topic)


def every_topic(settings: KafkaSettings) -> tuple[str, ...]:
    """The topics of the settings."""
    return (*worker_topics(settings), settings.replay_topic, settings.annotation_topic)


def _describe_group(client: KafkaAdminClient, group_id: str) -> dict[str, Any]:
    described: dict[str, Any] = client.describe_groups([group_id])[group_id]
    said = described["error"] or ""
    # kafka-python makes text of the error's class.
    if GroupAuthorizationFailedError.__name__ in said:
        raise GroupAuthorizationFailedError
    if "NotCoordinatorError" in said or "Coordinator" in said:
        raise RetriableError(said)
    return described


def _topic(client: KafkaAdminClient, described: Mapping[str, Any]) -> Topic:
    rights = described["authorized_operations"]
    return Topic(
        name=described["name"],
        partitions=tuple(described["partitions"]),
        rights=None if rights is None else frozenset(rights),
        config=topic_config(client, described["name"]),
    )


def _with(described: Mapping[str, Mapping[str, Any]], error: type[KafkaError]) -> frozenset[str]:
    return frozenset(name for name, topic in described.items() if topic["error_code"] == error.errno)


def _broker_config(client: KafkaAdminClient, broker: str) -> dict[str, str]:
    resource = ConfigResource(ConfigResourceType.BROKER, broker)
    try:
        described = client.describe_configs([resource], config_filter="all")["broker"]
    except KafkaError:
        # No right to read configurations: what depends on them is said to be unknown.
        return {}
    return {name: entry["value"] for name, entry in described.get(broker, {}).items()}
