"""Openly licensed pictures with words of their own become captioned pictures."""

from pathlib import Path

import pytest
from PIL import Image

from model.data.captioned import read_captioned_pictures
from model.data.clip_art import caption_clip_art, draw_emoji
from model.data.gold import DatasetError

DRAWING = """<svg xmlns="http://www.w3.org/2000/svg" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><metadata><rdf:RDF>
 <dc:title>{title}</dc:title>
 <dc:subject><rdf:Bag><rdf:li></rdf:li><rdf:li>Ann Drawer</rdf:li>
 <rdf:li>tool</rdf:li><rdf:li>weight</rdf:li></rdf:Bag></dc:subject>
 <dc:creator><dc:title>ann drawer</dc:title></dc:creator>
 <dc:rights><dc:title>public domain</dc:title></dc:rights></rdf:RDF></metadata></svg>"""


@pytest.fixture
def library(tmp_path: Path) -> tuple[Path, Path]:
    pictures, drawings = tmp_path / "png", tmp_path / "svg"
    for name, drawing in {
        "science/scale": DRAWING.format(title="old_scale_01"),
        "science/no_title": DRAWING.format(title=""),
        "science/signed": DRAWING.format(title="Ann Drawer"),
        "science/broken": "<svg",
        "plants/nothing": "<svg xmlns='http://www.w3.org/2000/svg'/>",
    }.items():
        for folder in (pictures, drawings):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(pictures / f"{name}.png")
        (drawings / f"{name}.svg").write_text(drawing)
    Image.new("RGB", (4, 4)).save(pictures / "without_a_drawing.png")
    return pictures, drawings


def test_title_and_keywords_become_the_caption(library: tuple[Path, Path], tmp_path: Path) -> None:
    assert caption_clip_art(*library, tmp_path / "out") == 3
    found = {
        each.path.stem: (each.caption, each.concept) for each in read_captioned_pictures(tmp_path / "out")
    }
    assert found == {
        "scale": ("old scale. tool, weight", "science"),
        "no_title": ("tool, weight", "science"),
        "signed": ("tool, weight", "science"),
    }


def test_a_library_without_words_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"holds no \.png whose \.svg under .* has a title or keywords"):
        caption_clip_art(tmp_path, tmp_path, tmp_path / "out")


def test_what_is_no_font_is_refused(tmp_path: Path) -> None:
    font = tmp_path / "font.ttf"
    font.write_bytes(b"no font")
    with pytest.raises(DatasetError, match=r"font\.ttf: is no font with bitmaps of 109 pixels"):
        draw_emoji(font, tmp_path / "out")
