"""A teacher that was fitted on made-up pictures knows which caption is whose."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from model.alignment.contrast import Examples
from model.alignment.teacher import Teacher
from tests.model.alignment.words import WIDTH, BagsOfWords

CHANNELS = 96
CAPTIONS = [
    f"{one} {other}"
    for one in ["red", "old", "big", "wet", "odd", "dim"]
    for other in ["cup", "hat", "oak", "sun", "bee"]
]


@pytest.fixture(scope="module")
def sentences() -> BagsOfWords:
    return BagsOfWords()


@pytest.fixture(scope="module")
def pooled(sentences: BagsOfWords) -> Tensor:
    torch.manual_seed(0)
    return (sentences.of(CAPTIONS) @ torch.randn(WIDTH, CHANNELS) + 3).relu()


@pytest.fixture(scope="module")
def examples(pooled: Tensor) -> Examples:
    return Examples(pooled, CAPTIONS, first=len(CAPTIONS), classes=None)


@pytest.fixture(scope="module")
def classifier() -> nn.Linear:
    torch.manual_seed(1)
    return nn.Linear(CHANNELS, 1000).requires_grad_(requires_grad=False)


def test_own_captions_are_likely_and_foreign_ones_are_not(
    pooled: Tensor, examples: Examples, classifier: nn.Linear, sentences: BagsOfWords
) -> None:
    teacher = Teacher(examples, classifier, sentences, seed=1)
    own = teacher.probability(pooled.numpy(), CAPTIONS)
    foreign = teacher.probability(pooled.numpy(), CAPTIONS[7:] + CAPTIONS[:7])
    assert own.mean() > 0.8
    assert foreign.mean() < 0.2
    # A caption that shares a word lies between: that is what a hard label can't say.
    near = teacher.probability(pooled.numpy(), CAPTIONS[5:] + CAPTIONS[:5])
    assert foreign.mean() < near.mean() < own.mean()
    again = Teacher(examples, classifier, sentences, seed=1)
    assert np.array_equal(again.probability(pooled.numpy(), CAPTIONS), own)
