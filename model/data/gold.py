"""Posts with gold tags, however their file has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class DatasetError(Exception):
    """A data set can't be read; the message names the file, the line and what is wrong."""


class Oddity(StrEnum):
    """What a file has otherwise than it should, and what is made of it."""

    ORPHAN_INSIDE_TAGS = "orphan_inside_tags"
    """I- tags with none of their type before them; kept, `mend` makes them B-."""
    OTHER_AS_MISC = "other_as_misc"
    """Tags of Twitter-2015's `OTHER`; read as MISC."""
    BLANK_TOKENS = "blank_tokens"
    """Tokens of white space; each keeps its place as U+FFFD."""
    ZERO_WIDTH_TOKENS = "zero_width_tokens"
    """Tokens that show nothing, of joiners and marks of direction; each keeps its place as U+FFFD."""
    POSTS_WITHOUT_WORDS = "posts_without_words"
    """Posts of which only the picture's name is there; left out."""
    POSTS_WITHOUT_BLANK_LINE = "posts_without_blank_line"
    """Posts that begin right behind the last word of another; parted from it."""
    WIDENED_SPANS = "widened_spans"
    """Entities that begin or end within a word; widened to whole words."""
    MALFORMED_ROWS = "malformed_rows"
    """Rows of relation labels that can't be trusted; left out."""
    MISSING_TEXTS = "missing_texts"
    """Labelled tweets whose text is not at hand; left out."""
    SPANS_IN_ONE_WORD = "spans_in_one_word"
    """Entities that share a word with an earlier one, once both are widened; left out."""


@dataclass(frozen=True, slots=True)
class GoldPost:
    """The words of a post and what annotators say of it.

    Attributes:
        words: Its words.
        tags: BIO tag of each word, as the file has it, see `mend`.
        images: Name of each picture: a file's name or its stem.
        relations: Whether each picture is related to the text, None where nobody said; one for each
            of `images`, or empty.
    """

    words: tuple[str, ...]
    tags: tuple[str, ...]
    images: tuple[str, ...] = ()
    relations: tuple[bool | None, ...] = ()


@dataclass(frozen=True, slots=True)
class GoldSet:
    """The posts of a file, and how often it had each `Oddity`."""

    posts: tuple[GoldPost, ...]
    oddities: Mapping[str, int]


def mend(tags: Sequence[str]) -> list[str]:
    """The tags with every orphan I-, one with none of its type before it, made a B-: valid BIO."""
    mended: list[str] = []
    for tag in tags:
        orphan = tag.startswith("I-") and (not mended or mended[-1][2:] != tag[2:])
        mended.append(f"B-{tag[2:]}" if orphan else tag)
    return mended
