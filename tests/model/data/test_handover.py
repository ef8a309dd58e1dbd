import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from model.data.gold import DatasetError
from model.data.handover import read_handover
from model.data.read import read_gold
from schemas import EntityType
from tests.model.data.test_annotated import line

CONLL = "IMGID:7\nIMGID:8\nAnita\tB-PER\nBorg\tI-PER\nin\tO\nLisbon\tB-LOC\n\nLisbon\tI-LOC\nagain\tO\n"


def test_conll_becomes_posts_whose_entities_stand_where_they_stood(tmp_path: Path) -> None:
    file = tmp_path / "october.txt"
    file.write_text(CONLL, encoding="utf-8")
    os.utime(file, (1_700_000_000, 1_700_000_000))
    pictured, plain = read_handover(file, "vera")
    text = pictured.post.text
    assert (pictured.post.id, pictured.post.pictures) == ("7", ("7", "8"))
    assert [(each.type, text[each.start : each.end]) for each in pictured.entities] == [
        (EntityType.PER, "Anita Borg"),
        (EntityType.LOC, "Lisbon"),
    ]
    assert [plain.post.text[each.start : each.end] for each in plain.entities] == ["Lisbon"]
    assert plain.post.id.startswith("text-")
    assert {each.annotator for each in (pictured, plain)} == {"vera"}
    assert plain.annotated_at == datetime.fromtimestamp(1_700_000_000, UTC)
    assert read_handover(file, "vera") == [pictured, plain]

    lines = tmp_path / "october.jsonl"
    lines.write_text("".join(f"{each.model_dump_json()}\n" for each in (pictured, plain)), encoding="utf-8")
    assert [post.words for post in read_gold(lines).posts] == [post.words for post in read_gold(file).posts]
    assert read_handover(lines, None) == [pictured, plain]


def test_an_annotator_may_be_named_for_lines_too(tmp_path: Path) -> None:
    file = tmp_path / "gold.jsonl"
    file.write_text(line("in Lisbon", ("LOC", 3, 9)), encoding="utf-8")
    assert [each.annotator for each in read_handover(file, None)] == ["vera"]
    assert [each.annotator for each in read_handover(file, "otto")] == ["otto"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("Anita\tB-PER\nBorg\tI-HERO\n", r"gold:2: tag 'I-HERO'"),
        (
            line("a b", ("LOC", 0, 1)) + "\n" + line("a b", ("LOC", 0, 9), post={"id": "2", "text": "a"}),
            r"gold:2: ",
        ),
        (line("a b", ("LOC", 1, 2)), r"gold:1: field entities\.0: no word"),
        (line("a", ("LOC", 0, 1)) + "\n" + line("b"), r"gold:2: the id '1' stood for another post"),
        (line("a", annotator=""), r"gold:1: field annotator"),
        (json.dumps({"post": {"id": "1", "text": "a"}}), r"gold:1: field entities"),
    ],
)
def test_a_bad_line_is_named_by_file_and_number(tmp_path: Path, content: str, says: str) -> None:
    file = tmp_path / "gold"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(DatasetError, match=says):
        read_handover(file, "vera" if "\t" in content else None)


def test_conll_needs_an_annotator(tmp_path: Path) -> None:
    file = tmp_path / "october.txt"
    file.write_text(CONLL, encoding="utf-8")
    with pytest.raises(DatasetError, match="say so by --annotator"):
        read_handover(file, None)
