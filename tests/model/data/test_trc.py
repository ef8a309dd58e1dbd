from pathlib import Path

import pytest

from model.data.gold import DatasetError
from model.data.trc import read_labels

HEADER = (
    "tweet_id,text_is_represented,image_adds,image_adds_text_repr,image_adds_text_notrepr,"
    "image_notadds_text_repr,image_notadds_text_notrepr,,,"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "labels.csv"


def test_related_is_that_the_image_adds(file: Path) -> None:
    file.write_text(f'{HEADER}\n71,0,1,0,1,0,0,,,\n"72","1","0","0","0","1","0","","",""\n', encoding="utf-8")
    labels = read_labels(file)
    assert labels.related == {"71": True, "72": False}
    assert not labels.malformed


def test_malformed_rows_are_left_out_and_named_by_line(file: Path) -> None:
    rows = [
        "71,0,1,0,1,0,0,,,",
        "6.92094E+17,1,0,0,0,1,0,,,",
        '72,"he said, it is ""so""\\"",0,1,0,1,0,0,,',
        '73,"a quote left open,0,1,0,1,0,0,,',
        "74,0,0,0,0,1,,,,",
        "https://t.co/x,0,1,0,1,0,0,,,",
        "71,0,0,0,0,0,1,,,",
        "75,0,0,0,0,0,1,,,",
    ]
    file.write_text("\n".join([HEADER, *rows]), encoding="utf-8")
    labels = read_labels(file)
    assert labels.related == {"71": True, "75": False}
    assert list(labels.malformed) == [3, 4, 5, 6, 7, 8]
    for line, says in (
        (3, "rounded"),
        (4, "text of the tweet"),
        (6, "missing"),
        (7, "no number"),
        (8, "already"),
    ):
        assert says in labels.malformed[line]
    assert labels.rows == 8


def test_another_header_is_refused(file: Path) -> None:
    file.write_text("id,label\n1,1\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"labels\.csv:1: the header"):
        read_labels(file)
