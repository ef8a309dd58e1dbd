"""`rpbert data captions`: what it prints, and what it refuses."""

from pathlib import Path

import pytest
from PIL import Image

from workers.data_captions import write_captions
from workers.errors import SetupError

DRAWING = "<svg xmlns:dc='http://purl.org/dc/elements/1.1/'><dc:title>A kite</dc:title></svg>"


def test_it_says_how_many_there_are_and_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "kite.png")
    (tmp_path / "kite.svg").write_text(DRAWING)
    write_captions(tmp_path / "out", clip_art=tmp_path, drawings=tmp_path, emoji=None)
    assert capsys.readouterr().out == f"{tmp_path / 'out' / 'clip_art'}: 1 captioned pictures\n"
    assert (tmp_path / "out" / "clip_art" / "kite.txt").read_text() == "A kite\n"


def test_half_of_what_is_needed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="--clip-art and --drawings go together"):
        write_captions(tmp_path, clip_art=tmp_path, drawings=None, emoji=None)
    with pytest.raises(SetupError, match="there is nothing to write"):
        write_captions(tmp_path, clip_art=None, drawings=None, emoji=None)


def test_a_font_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"font\.ttf: is no font"):
        write_captions(tmp_path, clip_art=None, drawings=None, emoji=tmp_path / "font.ttf")
