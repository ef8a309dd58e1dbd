"""`rpbert tail`: results as they arrive."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter, validators
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from schemas import TaggedPost
from workers import kafka_clients
from workers.render import listed, plain, relation
from workers.settings import KafkaSettings


def tail(
    *,
    settings: KafkaSettings = KafkaSettings(),
    from_start: bool = False,
    limit: Annotated[int | None, Parameter(validator=validators.Number(gte=1))] = None,
    json: bool = False,
) -> None:
    """Show the results of the output topic as they are committed; Ctrl-C ends it.

    For example:

        rpbert tail --bootstrap-servers kafka:9092

        rpbert tail --from-start --limit 10 --json

    Args:
        settings: how to reach Kafka.
        from_start: begin at the oldest result, not at the next.
        limit: end after so many results.
        json: one JSON object a line, as on the topic.
    """
    consumer = kafka_clients.reading_consumer(settings, from_start=from_start)
    console = Console(highlight=False)
    consumer.subscribe([settings.output_topic])
    shown = 0
    try:
        while limit is None or shown < limit:
            for records in consumer.poll(timeout_ms=500).values():
                for record in records[: None if limit is None else limit - shown]:
                    shown += 1
                    if json:
                        sys.stdout.write(f"{(record.value or b'null').decode(errors='replace')}\n")
                        sys.stdout.flush()
                    else:
                        _show(console, record.value or b"")
    finally:
        consumer.close()


def _show(console: Console, value: bytes) -> None:
    try:
        result = TaggedPost.model_validate_json(value)
    except ValidationError:
        console.print("a record that is no result of ours", style="yellow")
        return
    console.print(Text(plain(result.id), style="bold"), listed(result.entities), soft_wrap=True)
    for image in result.images:
        console.print(relation(image, image.url), soft_wrap=True)
