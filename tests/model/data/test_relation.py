import json
from pathlib import Path

import pytest
from PIL import Image

from model.data.gold import DatasetError, GoldPost
from model.data.relation import read_texts, read_trc
from tests.model.data.test_trc import HEADER


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tweets.jsonl"


def test_labels_texts_and_pictures_meet_by_id_and_what_is_missing_is_counted(
    file: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "labels.csv"
    rows = "".join(f"{tweet},0,{tweet % 2},0,1,0,0,,,\n" for tweet in (1, 2, 3, 4))
    labels.write_text(f"{HEADER}\n{rows}5.1E+17,0,1,0,1,0,0,,,\n", encoding="utf-8")
    tweets: list[dict[str, object]] = [
        {"id": 2, "text": "Ana in Porto"},
        {"id_str": "1", "id": 1, "full_text": "a #cat"},
        {"id": "3", "text": "no picture"},
    ]
    file.write_text("\n".join(json.dumps(tweet) for tweet in tweets), encoding="utf-8")
    for name in ("1.jpg", "2.png", "4.jpg"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    trc = read_trc(labels, file, tmp_path)
    assert [(pair.text, pair.picture.name, pair.related) for pair in trc.pairs] == [
        ("a #cat", "1.jpg", True),
        ("Ana in Porto", "2.png", False),
    ]
    assert (trc.missing_texts, trc.missing_pictures, list(trc.labels.malformed)) == (1, 1, [6])
    assert trc.posts[0] == GoldPost(("a", "#cat"), (), ("1.jpg",), (True,))


def test_the_whole_text_wins_over_the_short_one(file: Path) -> None:
    file.write_text('{"id": 7, "text": "cut sh…", "full_text": "cut short"}\n\n', encoding="utf-8")
    assert read_texts(file) == {"7": "cut short"}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("[]", "no JSON object"),
        ("{", "no JSON object"),
        ('{"text": "x"}', "field id is missing"),
        ('{"id": 6.9e17, "text": "x"}', "field id: "),
        ('{"id": true, "text": "x"}', "field id: "),
        ('{"id": 1}', "field text is missing"),
        ('{"id": 1, "text": 2}', "field text: must be a string"),
    ],
)
def test_a_bad_line_is_named_by_file_line_and_field(file: Path, line: str, says: str) -> None:
    file.write_text(f'{{"id": 1, "text": "x"}}\n{line}\n', encoding="utf-8")
    with pytest.raises(DatasetError, match=rf"tweets\.jsonl:2: .*{says}"):
        read_texts(file)
