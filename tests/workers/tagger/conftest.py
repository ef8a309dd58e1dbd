"""Workers in this process, on a pipeline of their own."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from model.inference import Tagger
from tests.pipeline import Pipeline
from tests.workers.tagger.in_process import InProcess, Start, settings_of


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
