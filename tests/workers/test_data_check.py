import json
from pathlib import Path

import pytest
from PIL import Image

from tests.model.data.test_trc import HEADER
from workers.data_check import check_and_print
from workers.errors import SetupError

CONLL = "IMGID:1\nAna\tI-PER\n\nIMGID:2\nin\tO\nPorto\tB-OTHER\n\nIMGID:3\nok\tO\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.txt").write_text(CONLL, encoding="utf-8")
    (tmp_path / "labels.csv").write_text(f"{HEADER}\n1,0,1,0,1,0,0,,,\n1E+17,,,,,,,,,\n", encoding="utf-8")
    Image.new("RGB", (8, 8)).save(tmp_path / "1.jpg")
    (tmp_path / "2.jpg").write_bytes(b"\xff\xd8\xffcut")
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str], *paths: Path, images: Path | None = None) -> str:
    check_and_print(paths, images=images, texts=None, as_json=False)
    return " ".join(capsys.readouterr().out.split())


def test_a_person_reads_what_is_there_and_what_was_mended(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(capsys, folder / "train.txt", images=folder)
    assert "3 posts; none of the published splits" in text
    assert "PER 0 LOC 0 ORG 0 MISC 1" in text
    assert "pictures: 3 named, 2 found, 1 missing, 1 broken" in text
    assert "I- tags that begin an entity: 1" in text
    assert "OTHER read as MISC: 1" in text


def test_a_directory_is_all_its_data_files_and_malformed_rows_are_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(capsys, folder)
    assert "train.txt" in text
    assert "2 rows, 1 readable, 100.0% of them image adds" in text
    assert "scientific notation: lines 3" in text


def test_json_has_the_same_for_programs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check_and_print((folder,), images=folder, texts=None, as_json=True)
    labels, posts = json.loads(capsys.readouterr().out)["files"]
    assert (labels["form"], labels["rows"], list(labels["malformed"])) == ("trc", 2, ["3"])
    assert posts["entities"] == {"PER": 0, "LOC": 0, "ORG": 0, "MISC": 1}
    assert posts["pictures"] == {"named": 3, "usable": 1, "missing": 1, "broken": 1, "left_out": 0}
    assert posts["oddities"] == {"orphan_inside_tags": 1, "other_as_misc": 1}
    assert posts["published"] is None


def test_a_wrong_file_is_named_and_the_others_are_still_printed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "bad.txt").write_text("a\tO\nb B-PER\n", encoding="utf-8")
    with pytest.raises(SetupError, match=r"bad\.txt:2: neither"):
        check_and_print((folder,), images=None, texts=None, as_json=False)
    assert "3 posts" in capsys.readouterr().out


def test_of_many_wrong_files_the_first_are_named_and_the_others_counted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(5):
        (folder / f"bad{number}.txt").write_text("b B-PER\n", encoding="utf-8")
    with pytest.raises(
        SetupError, match=r"^5 files: .*bad2\.txt:1: .*; and 2 more, all of them by --json$"
    ) as told:
        check_and_print((folder,), images=None, texts=None, as_json=False)
    assert "bad3" not in str(told.value)
    with pytest.raises(SetupError):
        check_and_print((folder,), images=None, texts=None, as_json=True)
    files = json.loads(capsys.readouterr().out.splitlines()[-1])["files"]
    assert sum("error" in file for file in files) == 5


def test_a_directory_without_data_says_what_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"holds no data file.*\.jsonl"):
        check_and_print((tmp_path,), images=None, texts=None, as_json=False)
