"""The clients that look at dead letters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from kafka import KafkaAdminClient, KafkaConsumer
from kafka.errors import KafkaError

from workers import kafka_clients
from workers.errors import SetupError
from workers.settings import KafkaSettings


@contextmanager
def reading_clients(settings: KafkaSettings) -> Iterator[tuple[KafkaConsumer, KafkaAdminClient]]:
    """A consumer of no group and an admin client, for as long as the context lasts.

    Raises:
        SetupError: no broker answers, or Kafka refuses something within the context.
    """
    with (
        closing(kafka_clients.admin(settings)) as admin,
        closing(kafka_clients.reading_consumer(settings, from_start=True)) as consumer,
    ):
        try:
            yield consumer, admin
        except KafkaError as error:
            raise SetupError(
                f"Kafka does not show the dead letters ({type(error).__name__}); check the brokers, and your "
                f"rights to read and describe {settings.dead_letter_topic} and {settings.replay_topic}"
            ) from error
