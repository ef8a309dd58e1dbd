"""Pairs for the relation task: what training sees, and what it must not see."""

import dataclasses
from pathlib import Path

import numpy as np
from torch import nn

from model.alignment.captions import Captions
from model.alignment.imagined import ImaginedClasses
from model.data.captioned import CaptionedPicture
from model.relation import CaptionedPairs, ImaginedPairs, LabelledPairs, Pair
from model.words import WordPieces
from tests.model.alignment.words import BagsOfWords
from tests.model.tiny import CHANNELS, tiny_tokenizer

PIECES = WordPieces(tiny_tokenizer(), window=24, overlap=8)
PICTURES = [
    CaptionedPicture(Path(f"{concept}/{number}.png"), f"{concept} {number}", concept)
    for concept in ("bee", "cat", "cup", "dog", "hat", "oak", "sun", "tea")
    for number in range(3)
]


def parted(seed: int = 1) -> Captions:
    return Captions.part(PICTURES, (), BagsOfWords(), seed)


def captioned(seed: int = 1, most: int = 1000) -> CaptionedPairs:
    return CaptionedPairs(parted(seed), PIECES.prepare, seed, most)


def concept(pair: Pair) -> str:
    return pair.text.text.split()[0]


def test_each_picture_comes_with_its_caption_and_with_one_of_another_concept() -> None:
    pairs = captioned()
    drawn = pairs.draw(np.random.default_rng(0))
    assert len(drawn) == len(pairs) == 2 * 18
    assert {pair.picture for pair in drawn if pair.related} == set(pairs.pictures)
    for pair in drawn:
        assert (concept(pair) == pair.picture.parent.name) == pair.related
    again = pairs.draw(np.random.default_rng(1))
    assert [pair.text.text for pair in again] != [pair.text.text for pair in drawn]


def test_epochs_that_may_not_draw_all_pictures_draw_others() -> None:
    pairs = captioned(most=5)
    drawn = [pairs.draw(np.random.default_rng(epoch)) for epoch in range(8)]
    for epoch in drawn:
        assert len(epoch) == len(pairs) == 2 * 5
        assert len({pair.picture for pair in epoch if pair.related}) == 5
        assert {pair.picture for pair in epoch if not pair.related} == {
            pair.picture for pair in epoch if pair.related
        }
    assert {pair.picture for epoch in drawn for pair in epoch} == set(pairs.pictures)


def test_held_out_concepts_are_never_trained_on() -> None:
    pairs = captioned()
    held = {pair.picture.parent.name for pair in pairs.held_out} | {concept(each) for each in pairs.held_out}
    assert len(held) == 2
    seen = pairs.draw(np.random.default_rng(0))
    assert held.isdisjoint({concept(pair) for pair in seen} | {path.parent.name for path in pairs.pictures})
    assert sum(pair.related for pair in pairs.held_out) == 6
    assert len(pairs.held_out) == 6 * (1 + 5)
    other = captioned(seed=2)
    assert {pair.picture for pair in other.held_out} != {pair.picture for pair in pairs.held_out}


def test_further_pictures_are_trained_on_once_for_three_times_the_first() -> None:
    further = tuple(
        CaptionedPicture(Path(f"emoji/{number}.png"), f"emoji {number}", f"caption: {number}")
        for number in range(4)
    )
    captions = dataclasses.replace(parted(), further=further)
    pairs = CaptionedPairs(captions, PIECES.prepare, seed=1, most=1000)
    seen = pairs.draw(np.random.default_rng(0))
    assert len(seen) == len(pairs) == 2 * (3 * 18 + 4)
    emoji = [pair for pair in seen if pair.picture.parent.name == "emoji"]
    assert len(emoji) == 2 * 4
    assert all((pair.text.text == f"emoji {pair.picture.stem}") == pair.related for pair in emoji)
    assert not any(pair.picture.parent.name == "emoji" for pair in pairs.held_out)
    assert len(set(pairs.pictures)) == len(pairs.pictures) == 18 + 4


def test_imagined_pictures_come_half_with_a_text_of_their_class() -> None:
    classes = ImaginedClasses(nn.Linear(CHANNELS, 1000), range(3, 900, 7))
    pairs = ImaginedPairs(classes, parted(), PIECES.prepare, count=200)
    drawn = pairs.draw(np.random.default_rng(0))
    assert (len(drawn), len(pairs), sum(pair.related for pair in drawn)) == (200, 200, 100)
    captions = {each.caption for each in PICTURES}
    for pair in drawn:
        assert pair.kind in classes.kinds
        assert (pair.text.text in classes.texts(pair.kind or 0)) == pair.related
        assert pair.picture in {each.path for each in parted().seen}
    foreign = [pair.text.text in captions for pair in drawn if not pair.related]
    assert 20 < sum(foreign) < 50


def test_a_tenth_of_labelled_pairs_is_held_out() -> None:
    text = PIECES.prepare("a")
    every = [Pair(text, Path(f"{number}.jpg"), bool(number % 2)) for number in range(30)]
    pairs = LabelledPairs("labelled", every, seed=1)
    drawn = pairs.draw(np.random.default_rng(0))
    assert (len(drawn), len(pairs.held_out)) == (27, 3)
    assert {pair.picture for pair in (*drawn, *pairs.held_out)} == {pair.picture for pair in every}
    assert set(pairs.pictures) == {pair.picture for pair in drawn}
