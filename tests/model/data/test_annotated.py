import json
from pathlib import Path
from typing import Any

import pytest

from model.data.annotated import read_annotated
from model.data.gold import DatasetError


def line(text: str, *entities: tuple[str, int, int], urls: tuple[str, ...] = (), **fields: Any) -> str:
    return json.dumps(
        {
            "post": {"id": "1", "text": text, "image_urls": urls},
            "entities": [{"type": kind, "start": start, "end": end} for kind, start, end in entities],
            "annotator": "vera",
            "annotated_at": "2026-01-31T12:00:00Z",
            **fields,
        }
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "gold.jsonl"


def test_offsets_are_put_on_the_words_that_serving_cuts(file: Path) -> None:
    text = "😀 Anita Borg, in #Lisbon"
    file.write_text(line(text, ("LOC", 17, 24), ("PER", 2, 12)) + "\n\n", encoding="utf-8")
    (post,) = read_annotated(file).posts
    assert post.words == ("😀", "Anita", "Borg", ",", "in", "#Lisbon")
    assert post.tags == ("O", "B-PER", "I-PER", "O", "O", "B-LOC")


def test_a_span_that_cuts_a_word_is_widened_and_counted(file: Path) -> None:
    file.write_text(line("in #Lisbon today", ("LOC", 4, 10)), encoding="utf-8")
    read = read_annotated(file)
    assert read.posts[0].tags == ("O", "B-LOC", "O")
    assert read.oddities == {"widened_spans": 1}


def test_white_space_around_a_span_is_no_oddity(file: Path) -> None:
    file.write_text(line("in Lisbon today", ("LOC", 2, 10)), encoding="utf-8")
    read = read_annotated(file)
    assert read.posts[0].tags == ("O", "B-LOC", "O")
    assert not read.oddities


def test_of_two_spans_in_one_word_the_first_stays(file: Path) -> None:
    file.write_text(line("AnaLisbon", ("PER", 0, 3), ("LOC", 3, 9)), encoding="utf-8")
    read = read_annotated(file)
    assert read.posts[0].tags == ("B-PER",)
    assert read.oddities == {"widened_spans": 2, "spans_in_one_word": 1}


def test_pictures_are_named_by_their_urls_and_keep_their_relations(file: Path) -> None:
    urls = ("https://a.example/x/7.jpg?large#top", "http://[b/Lis%20bon.png")
    file.write_text(line("x", urls=urls, relations=[True, None]), encoding="utf-8")
    (post,) = read_annotated(file).posts
    assert post.images == ("7.jpg", "Lis bon.png")
    assert post.relations == (True, None)


def test_a_picture_without_a_scheme_is_a_path_in_the_folder(file: Path) -> None:
    file.write_text(line("x", urls=("birds/lark.png", "C7.jpg")), encoding="utf-8")
    assert read_annotated(file).posts[0].images == ("birds/lark.png", "C7.jpg")


def test_a_post_without_a_word_is_left_out_and_counted(file: Path) -> None:
    file.write_text(f"{line('  ')}\n{line('x')}\n", encoding="utf-8")
    read = read_annotated(file)
    assert len(read.posts) == 1
    assert read.oddities == {"posts_without_words": 1}


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (line("x", annotator=1), "field annotator: .*string"),
        (line("x").replace('"1"', "1"), r"field post\.id: .*string"),
        (line("x", ("CITY", 0, 1)), r"field entities\.0\.type"),
        (line("x", ("LOC", 0, 9)), r"entities\.0 ends at 9"),
        (line("x  y", ("LOC", 1, 3)), r"field entities\.0: no word"),
        ("{", "JSON"),
    ],
)
def test_a_bad_line_is_named_by_file_line_and_field(file: Path, bad: str, says: str) -> None:
    file.write_text(f"{line('x')}\n{bad}\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=rf"gold\.jsonl:2: .*{says}"):
        read_annotated(file)
