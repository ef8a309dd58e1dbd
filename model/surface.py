"""What a word looks like before an uncased vocabulary forgets it: its shape and its characters."""

from __future__ import annotations

import re
import unicodedata
from enum import IntEnum, auto
from typing import Final

WORD_CHARACTERS: Final = 16
"""Characters of a word that the convolution reads; the rest of a longer word is left out."""

_CATEGORIES: Final = tuple(
    major + minor
    for major, minors in zip(
        "LMNPSZC", ["ultmo", "nce", "dlo", "cdseifo", "mcko", "slp", "cfson"], strict=True
    )
    for minor in minors
)
_ASCII: Final = 128
_CATEGORY_CODE: Final = {name: 1 + _ASCII + index for index, name in enumerate(_CATEGORIES)}

CHARACTER_CODES: Final = 1 + _ASCII + len(_CATEGORIES)
"""Character codes: 0 pads, then ASCII as itself, then one for each Unicode category."""

_URL = re.compile(r"(?:https?:|www\.)", re.IGNORECASE)


class Shape(IntEnum):
    """Classes of word shape, 0 for padding."""

    NONE = 0
    MENTION = auto()
    HASHTAG = auto()
    URL = auto()
    NUMBER = auto()
    CAPITAL = auto()
    CAPITALS = auto()
    TITLE = auto()
    LOWER = auto()
    CAMEL = auto()
    LETTERS_AND_DIGITS = auto()
    CASELESS = auto()
    MARK = auto()


def shape(word: str) -> Shape:  # noqa: PLR0911 - a table of first matches reads best as one
    """The shape class of a word."""
    if _URL.match(word):
        return Shape.URL
    if word[0] in "@＠":  # noqa: RUF001 - the full-width sign is meant
        return Shape.MENTION
    if word[0] in "#＃":  # noqa: RUF001 - the full-width sign is meant
        return Shape.HASHTAG
    letters = [character for character in word if character.isalpha()]
    digits = any(character.isdigit() for character in word)
    if not letters:
        return Shape.NUMBER if digits else Shape.MARK
    if digits:
        return Shape.LETTERS_AND_DIGITS
    if word.isupper():
        return Shape.CAPITALS if len(letters) > 1 else Shape.CAPITAL
    if word.islower():
        return Shape.LOWER
    if word.istitle():
        return Shape.TITLE
    return Shape.CAMEL if any(character.isupper() for character in letters) else Shape.CASELESS


def _code(character: str) -> int:
    point = ord(character)
    return 1 + point if point < _ASCII else _CATEGORY_CODE[unicodedata.category(character)]


def characters(word: str) -> bytes:
    """A code for each of a word's first `WORD_CHARACTERS` characters, as many bytes, 0 behind its end."""
    return bytes(map(_code, word[:WORD_CHARACTERS])).ljust(WORD_CHARACTERS, b"\0")
