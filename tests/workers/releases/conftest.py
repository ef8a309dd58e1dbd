"""A store on the disk, a topic of a test's own, and tiny releases to publish."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from model.release import seal
from schemas import ModelRelease
from workers import kafka_clients
from workers.bounded_reads import held_records
from workers.releases.operate import publish_and_print
from workers.settings import KafkaSettings, StoreSettings

NO_KAFKA = KafkaSettings()


@pytest.fixture
def stores(tmp_path: Path) -> StoreSettings:
    return StoreSettings(store=str(tmp_path / "store"))


@pytest.fixture
def announcing(kafka: Any, make_topics: Any) -> KafkaSettings:
    (topic,) = make_topics("releases", cleanup_policy="compact")
    return KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, release_topic=topic)


def announced(settings: KafkaSettings) -> list[tuple[str, ModelRelease | None]]:
    """Everything on the topic, in its order."""
    with closing(kafka_clients.reading_consumer(settings, from_start=True)) as consumer:
        return [
            (record.key.decode(), ModelRelease.model_validate_json(record.value) if record.value else None)
            for record in held_records(consumer, settings.release_topic)
        ]


Publish = Callable[..., None]


@pytest.fixture
def publish(stores: StoreSettings, tiny_release: Path, tmp_path: Path) -> Publish:
    """Publishes a version of the tiny release, or what is named."""

    def publish(version: str, kafka: KafkaSettings = NO_KAFKA, **options: Any) -> None:
        directory = tmp_path / version
        if "/" not in version and not directory.exists():
            shutil.copytree(tiny_release, directory)
            seal(directory, name="tiny", version=version)
        source = version if "/" in version else str(directory)
        given = {"channel": "stable", "reason": "better", "by": "ada", "again": False}
        given |= {"signing_key": None, "golden": None}
        publish_and_print(source, stores, kafka, **{**given, "as_json": True, **options})

    return publish
