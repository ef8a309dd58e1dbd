"""`rpbert topics`: make the topics."""

from __future__ import annotations

import sys
from json import dumps
from typing import Annotated

from cyclopts import App, Parameter, validators
from rich.console import Console

from workers import kafka_clients
from workers.settings import KafkaSettings
from workers.topics import create_topics

app = App(name="topics", help="Make the topics that the workers read and write.")

_AtLeastOne = validators.Number(gte=1)


@app.command
def create(
    *,
    settings: KafkaSettings = KafkaSettings(),
    partitions: Annotated[int, Parameter(validator=_AtLeastOne)] = 24,
    replication_factor: Annotated[int, Parameter(validator=_AtLeastOne)] = 3,
    json: bool = False,
) -> None:
    """Create the topics that are not there yet; those that are stay as they are.

    24 partitions divide evenly among 1, 2, 3, 4, 6, 8, 12 and 24 workers.

    For example:

        rpbert topics create --bootstrap-servers kafka:9092

        rpbert topics create --partitions 4 --replication-factor 1

    Args:
        settings: how to reach Kafka.
        partitions: partitions of each topic; those of replays, releases and annotations have one.
        replication_factor: copies of each partition.
        json: one JSON object, of each topic whether it was created now.
    """
    client = kafka_clients.admin(settings)
    try:
        created = create_topics(
            client, settings, partitions=partitions, replication_factor=replication_factor
        )
    finally:
        client.close()
    if json:
        sys.stdout.write(dumps(created) + "\n")
        return
    console = Console(highlight=False)
    for topic, is_new in created.items():
        console.print(f"{topic}: {'created' if is_new else 'was there already'}")
