"""Fixtures of the tiny network."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer

from model.inference import Tagger
from model.release import save_release
from tests.model.tiny import tagger_of, tiny_model, tiny_tokenizer


@pytest.fixture
def tokenizer() -> Tokenizer:
    return tiny_tokenizer()


@pytest.fixture(scope="session")
def tagger() -> Tagger:
    return tagger_of(tiny_model())


@pytest.fixture
def release_directory(tmp_path: Path) -> Path:
    save_release(
        tmp_path / "tiny",
        model=tiny_model(),
        tokenizer=tiny_tokenizer(),
        name="tiny",
        version="1",
        card="# tiny\n",
    )
    return tmp_path / "tiny"
