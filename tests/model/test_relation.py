"""Pairs for the relation task: what training sees, and what it must not see."""

from pathlib import Path

import numpy as np
import pytest

from model.data.captioned import CaptionedPicture
from model.data.gold import DatasetError
from model.relation import CaptionedPairs, LabelledPairs, Pair
from model.words import WordPieces
from tests.model.tiny import tiny_tokenizer

PIECES = WordPieces(tiny_tokenizer(), window=24, overlap=8)
PICTURES = [
    CaptionedPicture(Path(f"{concept}/{number}.png"), f"{concept} {number}", concept)
    for concept in ("bee", "cat", "cup", "dog", "hat", "oak", "sun", "tea")
    for number in range(3)
]


def concept(pair: Pair) -> str:
    return pair.text.text.split()[0]


def test_each_picture_comes_with_its_caption_and_with_one_of_another_concept() -> None:
    pairs = CaptionedPairs(PICTURES, PIECES.prepare, seed=1)
    drawn = pairs.draw(np.random.default_rng(0))
    assert len(drawn) == len(pairs) == 2 * 18
    assert {pair.picture for pair in drawn if pair.related} == set(pairs.pictures)
    for pair in drawn:
        assert (concept(pair) == pair.picture.parent.name) == pair.related
    again = pairs.draw(np.random.default_rng(1))
    assert [pair.text.text for pair in again] != [pair.text.text for pair in drawn]


def test_held_out_concepts_are_never_trained_on() -> None:
    pairs = CaptionedPairs(PICTURES, PIECES.prepare, seed=1)
    held = {pair.picture.parent.name for pair in pairs.held_out} | {concept(each) for each in pairs.held_out}
    assert len(held) == 2
    seen = pairs.draw(np.random.default_rng(0))
    assert held.isdisjoint({concept(pair) for pair in seen} | {path.parent.name for path in pairs.pictures})
    assert sum(pair.related for pair in pairs.held_out) == 6
    assert len(pairs.held_out) == 6 * (1 + 5)
    other = CaptionedPairs(PICTURES, PIECES.prepare, seed=2)
    assert {pair.picture for pair in other.held_out} != {pair.picture for pair in pairs.held_out}


def test_too_few_concepts_are_an_error() -> None:
    with pytest.raises(DatasetError, match="too few folders of captioned pictures, 2: at least 8"):
        CaptionedPairs(PICTURES[:6], PIECES.prepare, seed=1)


def test_a_tenth_of_labelled_pairs_is_held_out() -> None:
    text = PIECES.prepare("a")
    every = [Pair(text, Path(f"{number}.jpg"), bool(number % 2)) for number in range(30)]
    pairs = LabelledPairs("labelled", every, seed=1)
    drawn = pairs.draw(np.random.default_rng(0))
    assert (len(drawn), len(pairs.held_out)) == (27, 3)
    assert {pair.picture for pair in (*drawn, *pairs.held_out)} == {pair.picture for pair in every}
    assert set(pairs.pictures) == {pair.picture for pair in drawn}
