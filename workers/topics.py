"""The topics: which there are, how they are made, and what they take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, TopicAlreadyExistsError, for_code

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

    Returns:
        Each topic, and whether it was created now.

    Raises:
        SetupError: the broker refuses.
    """
    configs: dict[str, dict[str, str]] = {
        settings.input_topic: {},
        settings.output_topic: {},
        settings.dead_letter_topic: {"max.message.bytes": str(_DEAD_LETTER_BYTES)},
    }
    created = {}
    for topic, config in configs.items():
        wanted = {
            "num_partitions": partitions,
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
                f"Kafka did not create the topic {topic} with {partitions} partitions and replication factor "
                f"{replication_factor} ({type(error).__name__}); check the rights and the number of brokers"
            ) from error
    return created


def require_topics(client: KafkaAdminClient, settings: KafkaSettings) -> TopicLimits:
    """Check that the topics are there, and read how large a record may be.

    Raises:
        SetupError: a topic is missing or can't be seen; the message names it.
    """
    names = [settings.input_topic, settings.output_topic, settings.dead_letter_topic]
    missing = {
        topic["name"]: for_code(topic["error_code"]).__name__
        for topic in client.describe_topics(names)
        if topic["error_code"]
    }
    if missing:
        raise SetupError(
            f"Kafka has no topic for us named {', '.join(sorted(missing))} "
            f"({', '.join(sorted(set(missing.values())))}); make it by "
            "`rpbert topics create`, or name another"
        )
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names[1:]]
    try:
        configs = client.describe_configs(resources, config_filter="all")["topic"]
    except KafkaError:
        # No right to read configurations: the brokers' default is the safe guess.
        configs = {}
    return TopicLimits(
        output=_message_bytes(configs.get(settings.output_topic, {})),
        dead_letter=_message_bytes(configs.get(settings.dead_letter_topic, {})),
    )


def _message_bytes(config: Mapping[str, Mapping[str, str]]) -> int:
    return int(config.get("max.message.bytes", {}).get("value", _DEFAULT_MESSAGE_BYTES))
