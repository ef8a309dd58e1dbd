"""Openly licensed pictures that have words of their own, in one form: a PNG, and its caption beside it.

Two sources, both in Debian: the Open Clip Art Library (public domain), whose SVGs carry title and keywords,
and Noto Color Emoji (SIL OFL), whose characters have names in Unicode.
"""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from PIL import Image, ImageDraw, ImageFont

from model.data.gold import DatasetError

Advance = Callable[[int, int], None]
"""Is told how many are looked at, of how many."""

_DUBLIN_CORE: Final = "{http://purl.org/dc/elements/1.1/}"
_LISTED: Final = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}li"
_MOST_KEYWORDS: Final = 6
_NO_WORDS: Final = re.compile(r"[_\d\s]+")
_PICTOGRAPHS: Final = range(0x2190, 0x1FB00)
# The one size of the font's bitmaps, and the room that each takes.
_EMOJI_SIZE: Final = 109
_EMOJI_ROOM: Final = (136, 128)


def caption_clip_art(
    pictures: Path, drawings: Path, output: Path, advance: Advance = lambda _done, _of: None
) -> int:
    """Copy the library's PNGs, each with title and keywords of the SVG of the same place as its caption.

    Args:
        pictures: its directory of PNGs.
        drawings: its directory of SVGs.
        output: directory to write into, made if need be.
        advance: is told of the pictures.

    Returns:
        How many have a caption and were written.

    Raises:
        DatasetError: none has.
    """
    written = 0
    found = sorted(pictures.rglob("*.png"))
    for number, picture in enumerate(found, start=1):
        advance(number, len(found))
        place = picture.relative_to(pictures)
        if caption := _caption(drawings / place.with_suffix(".svg")):
            target = output / place
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(picture, target)
            _write_caption(target, caption)
            written += 1
    if not written:
        raise DatasetError(f"{pictures}: holds no .png whose .svg under {drawings} has a title or keywords")
    return written


def _caption(drawing: Path) -> str:
    """Title and keywords of an SVG; empty where it has neither, or can't be read."""
    try:
        root = ET.parse(drawing).getroot()  # noqa: S314 - expat expands no entity without end
    except (ET.ParseError, OSError, ValueError):
        return ""
    # The first title is the drawing's; those behind it name its author and its licence.
    title, *others = _inside(root, "title") or [""]
    # Some authors sign there too.
    authors = {author.lower() for author in others}
    keywords = [word for word in _inside(root, "subject", _LISTED) if word and word.lower() not in authors]
    said = ("" if title.lower() in authors else title, ", ".join(keywords[:_MOST_KEYWORDS]))
    return ". ".join(part for part in said if part)


def _inside(root: ET.Element, name: str, *deeper: str) -> list[str]:
    """Texts of the elements of a name of the Dublin Core, or of those inside them."""
    found = root.iter(f"{_DUBLIN_CORE}{name}")
    inner = (each for element in found for each in (element.iter(*deeper) if deeper else (element,)))
    return [_NO_WORDS.sub(" ", element.text or "").strip() for element in inner]


def draw_emoji(font: Path, output: Path, advance: Advance = lambda _done, _of: None) -> int:
    """Draw each coloured character of a font, with its Unicode name as its caption.

    Args:
        font: a TrueType font with bitmaps of 109 pixels, as Noto Color Emoji is.
        output: directory to write into, made if need be.
        advance: is told of the characters.

    Returns:
        How many were drawn.

    Raises:
        DatasetError: the font can't be read, or has none.
    """
    try:
        face = ImageFont.truetype(font, _EMOJI_SIZE)
    except OSError:
        raise DatasetError(f"{font}: is no font with bitmaps of {_EMOJI_SIZE} pixels") from None
    output.mkdir(parents=True, exist_ok=True)
    drawn = 0
    for number, character in enumerate(map(chr, _PICTOGRAPHS), start=1):
        advance(number, len(_PICTOGRAPHS))
        name = unicodedata.name(character, "").lower()
        if name and (picture := _draw(character, face)):
            target = output / f"{ord(character):x}.png"
            picture.save(target)
            _write_caption(target, name)
            drawn += 1
    if not drawn:
        raise DatasetError(f"{font}: draws no character in colour")
    return drawn


def _draw(character: str, face: ImageFont.FreeTypeFont) -> Image.Image | None:
    """The character on white; None where the font has no coloured glyph for it."""
    picture = Image.new("RGB", _EMOJI_ROOM, "white")
    ImageDraw.Draw(picture).text((0, 0), character, font=face, embedded_color=True)
    grey = picture.convert("L").convert("RGB")
    return None if grey.tobytes() == picture.tobytes() else picture


def _write_caption(picture: Path, caption: str) -> None:
    picture.with_suffix(".txt").write_text(caption + "\n", encoding="utf-8")
