"""Workers in this process, on a pipeline of their own."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from model.inference import Tagger
from tests.pipeline import Pipeline
from tests.workers.tagger.in_process import InProcess, Start, settings_of
from workers.settings import KafkaSettings, WorkerSettings


@pytest.fixture(scope="module")
def tagger(tiny_release: Path) -> Tagger:
    return Tagger.load(str(tiny_release), dtype="float32")


@pytest.fixture
def start(pipeline: Pipeline, tagger: Tagger) -> Iterator[Start]:
    with ExitStack() as stack:

        def begin(tags: Any = tagger, **changes: Any) -> InProcess:
            made = InProcess(settings_of(pipeline, **changes), tags)
            stack.callback(made.close)
            return made

        yield begin


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def settings(kafka: Any, make_topics: Any) -> WorkerSettings:
    raw, entities, dead = make_topics("raw", "entities", "dlq", partitions=2)
    return WorkerSettings(
        kafka=KafkaSettings(
            bootstrap_servers=kafka.bootstrap_servers,
            input_topic=raw,
            output_topic=entities,
            dead_letter_topic=dead,
        ),
        group_id=raw,
    )
