"""What is held out stays unseen, in whatever directory it would have come."""

from pathlib import Path

import pytest

from model.alignment.captions import Captions
from model.data.captioned import CaptionedPicture
from model.data.gold import DatasetError
from tests.model.alignment.words import BagsOfWords

FOLDERS = ("bees", "cats", "cups", "dogs", "hats", "oaks", "suns", "teas")
PLACES = ("Porto", "Oslo", "Lima", "Cairo", "Bern", "Kyoto", "Riga", "Quito")
FIRST = [
    CaptionedPicture(Path(f"{folder}/{number}.png"), f"striped thing from {place}{number}", f"x/{folder}")
    for folder, place in zip(FOLDERS, PLACES, strict=True)
    for number in range(3)
]


def picture(caption: str) -> CaptionedPicture:
    return CaptionedPicture(Path(f"further/{caption}.png"), caption, "emoji")


def part(*captions: str, first: list[CaptionedPicture] = FIRST) -> Captions:
    return Captions.part(first, [picture(caption) for caption in captions], BagsOfWords(), seed=1)


def test_a_quarter_of_the_concepts_is_held_out_whole() -> None:
    captions = part()
    held = {each.concept for each in captions.held_out}
    assert (len(held), len(captions.held_out), len(captions.seen)) == (2, 6, 18)
    assert held.isdisjoint(each.concept for each in captions.seen)
    assert captions.trained == captions.seen


def test_further_pictures_that_give_held_out_ones_away_are_left_out_and_counted() -> None:
    held_out = part().held_out[0]
    folder = Path(held_out.concept).name
    close = held_out.caption.replace("striped", "spotted")
    captions = part("harbour by night", close, f"Two {folder[:-1]}", f"Many {folder.upper()}!", "violin")
    assert [each.caption for each in captions.further] == ["harbour by night", "violin"]
    assert captions.left_out == 3


def test_a_word_that_only_contains_a_folder_s_name_gives_nothing_away() -> None:
    folder = Path(part().held_out[0].concept).name
    assert part(f"grand{folder[:-1]}ington").left_out == 0


def test_the_first_directory_comes_three_times_for_one_of_the_others() -> None:
    captions = part("harbour by night", "violin")
    trained = [each.path for each in captions.trained]
    assert {trained.count(each.path) for each in captions.seen} == {3}
    assert {trained.count(each.path) for each in captions.further} == {1}
    assert {each.concept for each in captions.further}.isdisjoint(each.concept for each in FIRST)
    assert len({each.concept for each in captions.further}) == 2


def test_too_few_concepts_are_an_error() -> None:
    with pytest.raises(
        DatasetError, match="too few folders of captioned pictures, 2: at least 8 in the first"
    ):
        part(first=FIRST[:6])
