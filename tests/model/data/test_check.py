from pathlib import Path

import pytest
from PIL import Image

from model.data.check import GoldCheck, TrcCheck, check
from model.data.published import SPLITS, PublishedSplit, recognise
from tests.model.data.test_trc import HEADER


def conll_like(split: PublishedSplit, *, without: int = 0) -> str:
    """A file with a split's counts, but for so many of its first type's entities."""
    tags = [f"B-{kind}" for kind, count in split.entities.items() for _ in range(count)][without:]
    posts: list[list[str]] = [["O"] for _ in range(split.posts)]
    for number, tag in enumerate(tags):
        posts[number % split.posts].append(tag)
    return "".join("".join(f"a\t{tag}\n" for tag in post) + "\n" for post in posts)


@pytest.mark.parametrize("split", SPLITS, ids=lambda split: split.name)
def test_each_published_split_is_recognised_by_its_counts(tmp_path: Path, split: PublishedSplit) -> None:
    (tmp_path / "data").write_text(conll_like(split), encoding="utf-8")
    found = check(tmp_path / "data", images=None, texts=None)
    assert isinstance(found, GoldCheck)
    assert found.published is not None
    assert (found.published.name, found.published.same) == (split.name, True)
    assert found.entities == split.entities


def test_a_copy_with_other_counts_is_recognised_and_marked(tmp_path: Path) -> None:
    (tmp_path / "data").write_text(conll_like(SPLITS[4], without=3), encoding="utf-8")
    found = check(tmp_path / "data", images=None, texts=None)
    assert isinstance(found, GoldCheck)
    assert found.published is not None
    assert (found.published.name, found.published.same) == ("Twitter-2017 valid", False)


def test_another_set_of_as_many_posts_is_not_taken_for_a_published_one() -> None:
    assert recognise(723, dict.fromkeys(SPLITS[4].entities, 1)) is None
    assert recognise(5, SPLITS[4].entities) is None


def test_pictures_are_looked_at_and_told_of(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("IMGID:1\na\tB-PER\n\nIMGID:2\nb\tI-LOC\n", encoding="utf-8")
    Image.new("RGB", (8, 8)).save(tmp_path / "1.jpg")
    told: list[tuple[int, int]] = []
    found = check(
        tmp_path / "data", images=tmp_path, texts=None, advance=lambda done, of: told.append((done, of))
    )
    assert isinstance(found, GoldCheck)
    assert (found.pictures.usable, found.pictures.missing) == (1, 1)
    assert found.oddities == {"orphan_inside_tags": 1}
    assert told == [(1, 2), (2, 2)]


def test_the_published_labels_are_recognised_by_their_rows_and_share(tmp_path: Path) -> None:
    rows = "".join(f"{tweet},0,{int(tweet < 1960)},0,0,0,0,,,\n" for tweet in range(4470))
    labels, texts = tmp_path / "labels.csv", tmp_path / "texts.jsonl"
    labels.write_text(f"{HEADER}\n{rows}1E+17,0,1,0,0,0,0,,,\n", encoding="utf-8")
    texts.write_text('{"id": 5, "text": "x"}\n{"id": 99999, "text": "y"}\n', encoding="utf-8")
    found = check(labels, images=None, texts=texts)
    assert isinstance(found, TrcCheck)
    assert (found.rows, found.readable, found.texts, list(found.malformed)) == (4471, 4470, 1, [4472])
    assert found.published is not None
    assert found.published.same
    labels.write_text(f"{HEADER}\n{rows}", encoding="utf-8")
    other = check(labels, images=None, texts=None)
    assert isinstance(other, TrcCheck)
    assert other.published is None
