"""The topics: which there are, how they are made, and what they take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, RetriableError, TopicAlreadyExistsError, for_code

from workers.errors import SetupError
from workers.settings import KafkaSettings

_DEFAULT_MESSAGE_BYTES: Final = 1_048_588
# A dead letter is its record and why; twice the usual limit holds the largest record and its headers.
_DEAD_LETTER_BYTES: Final = 2 * _DEFAULT_MESSAGE_BYTES


@dataclass(frozen=True, slots=True)
class TopicLimits:
    """Largest record, in bytes, that the topics of results and of dead letters take."""

    output: int
    dead_letter: int


def create_topics(
    client: KafkaAdminClient, settings: KafkaSettings, *, partitions: int, replication_factor: int
) -> dict[str, bool]:
    """Create the topics that are not there yet.

    Those of replays, releases and annotations have one partition: they hold little. Among releases the order
    counts across keys, and of annotations one number then says how far they were read.

    Returns:
        Each topic, and whether it was created now.

    Raises:
        SetupError: the broker refuses.
    """
    configs: dict[str, dict[str, str]] = {
        settings.input_topic: {},
        settings.output_topic: {},
        settings.dead_letter_topic: {"max.message.bytes": str(_DEAD_LETTER_BYTES)},
        settings.replay_topic: {"cleanup.policy": "compact"},
        settings.release_topic: {"cleanup.policy": "compact"},
        settings.annotation_topic: {"cleanup.policy": "compact"},
    }
    single = (settings.replay_topic, settings.release_topic, settings.annotation_topic)
    created = {}
    for topic, config in configs.items():
        number = 1 if topic in single else partitions
        wanted = {
            "num_partitions": number,
            "replication_factor": replication_factor,
            "configs": config,
        }
        try:
            client.create_topics({topic: wanted}, wait_for_metadata=True)
            created[topic] = True
        except TopicAlreadyExistsError:
            created[topic] = False
        except KafkaError as error:
            raise SetupError(
                f"Kafka did not create the topic {topic} with {number} partitions and replication factor "
                f"{replication_factor} ({type(error).__name__}); check the rights and the number of brokers"
            ) from error
    return created


def require_topics(client: KafkaAdminClient, settings: KafkaSettings) -> TopicLimits:
    """Check that the workers' topics are there, and read how large a record may be.

    Raises:
        SetupError: a topic is missing or can't be seen; the message names it.
        kafka.errors.RetriableError: no broker answers.
    """
    topic_ids(client, [settings.input_topic, settings.output_topic, settings.dead_letter_topic])
    return TopicLimits(
        output=message_bytes(client, settings.output_topic),
        dead_letter=message_bytes(client, settings.dead_letter_topic),
    )


def topic_ids(client: KafkaAdminClient, names: Sequence[str]) -> dict[str, str]:
    """The ids of topics (KIP-516), which tell a topic from one of its name that was deleted before.

    Raises:
        SetupError: a topic is missing or can't be seen; the message names it.
    """
    described = client.describe_topics(list(names))
    missing = {
        topic["name"]: for_code(topic["error_code"]).__name__ for topic in described if topic["error_code"]
    }
    if missing:
        raise SetupError(
            f"Kafka has no topic for us named {', '.join(sorted(missing))} "
            f"({', '.join(sorted(set(missing.values())))}); make it by "
            "`rpbert topics create`, or name another"
        )
    return {topic["name"]: topic["topic_id"] for topic in described}


def message_bytes(client: KafkaAdminClient, topic: str) -> int:
    """Size of the largest record, in bytes, that a topic takes.

    Raises:
        kafka.errors.RetriableError: no broker answers.
    """
    return int(topic_config(client, topic).get("max.message.bytes", _DEFAULT_MESSAGE_BYTES))


def forgets(client: KafkaAdminClient, topic: str) -> bool:
    """Whether a topic deletes old records, and not only those that a newer one replaces."""
    return "delete" in topic_config(client, topic).get("cleanup.policy", "")


def topic_config(client: KafkaAdminClient, topic: str) -> dict[str, str]:
    """Configuration of a topic, by Kafka's names; empty where the right to read it is missing.

    Raises:
        kafka.errors.RetriableError: no broker answers.
    """
    resource = ConfigResource(ConfigResourceType.TOPIC, topic)
    try:
        described = client.describe_configs([resource], config_filter="all")["topic"]
    except RetriableError:
        raise
    except KafkaError:
        # No right to read configurations: the brokers' defaults are the safe guess.
        return {}
    return {name: entry["value"] for name, entry in described.get(topic, {}).items()}
