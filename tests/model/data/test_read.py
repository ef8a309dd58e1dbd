from pathlib import Path

import pytest

from model.data.gold import DatasetError
from model.data.read import DataForm, form_of, read_gold
from tests.model.data.test_annotated import line
from tests.model.data.test_trc import HEADER


@pytest.mark.parametrize(
    ("content", "form"),
    [
        ("\nIMGID:1\na\tO\n", DataForm.CONLL),
        ("{\tO\na\tO\n", DataForm.CONLL),
        (line("x"), DataForm.ANNOTATED),
        (f"{HEADER}\n", DataForm.TRC),
    ],
)
def test_a_file_s_form_shows_in_its_first_line(tmp_path: Path, content: str, form: DataForm) -> None:
    (tmp_path / "data").write_text(content, encoding="utf-8")
    assert form_of(tmp_path / "data") is form


def test_posts_come_from_either_form_and_labels_alone_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_text("Ana\tB-PER\n", encoding="utf-8")
    conll = read_gold(path).posts
    path.write_text(line("Ana", ("PER", 0, 3)), encoding="utf-8")
    assert read_gold(path).posts == conll
    path.write_text(HEADER, encoding="utf-8")
    with pytest.raises(DatasetError, match="relation labels and no entities"):
        read_gold(path)


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("\n\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="data: is empty"):
        form_of(tmp_path / "data")
