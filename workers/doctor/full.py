"""The whole of it: the quick part, and what takes seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from typing import Final

from fsspec.callbacks import Callback

from workers import kafka_clients
from workers.doctor.access import transactions
from workers.doctor.cluster import every_topic
from workers.doctor.finding import Check, Finding, fail, ok
from workers.doctor.quick import attempted, kafka
from workers.doctor.redis import redis
from workers.errors import SetupError
from workers.settings import WorkerSettings

_REDIS_SECONDS: Final = 5.0


def examine(settings: WorkerSettings, picture_url: str | None, progress: Callback) -> Iterator[Finding]:
    """All findings, each as soon as it is made; `progress` is told how far the release is."""
    try:
        client = kafka_clients.admin(settings.kafka)
    except SetupError as error:
        says, _, do = str(error).partition("; ")
        yield fail(Check.BROKERS, says, do)
    else:
        with closing(client):
            yield ok(Check.BROKERS, f"Kafka answers at {settings.kafka.bootstrap_servers}")
            yield from kafka(client, settings, every_topic(settings.kafka))
        yield from attempted(Check.TRANSACTIONS, lambda: transactions(settings))
    yield from redis(settings.pictures, seconds=_REDIS_SECONDS)
    # What was found so far need not wait for torch.
    from workers.doctor import egress, serving  # noqa: PLC0415

    yield serving.device(settings.model)
    yield serving.release(settings.model, progress)
    if picture_url is not None:
        yield asyncio.run(egress.picture(settings.pictures, picture_url))
