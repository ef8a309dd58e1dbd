"""Annotated posts, one JSON object a line, as gold posts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from pydantic import ValidationError

from model.data.gold import DatasetError, GoldPost, GoldSet, Oddity
from model.data.lines import numbered_lines
from model.words import Word, cut
from schemas import AnnotatedPost, GoldEntity

_SCHEME: Final = re.compile("[A-Za-z][A-Za-z0-9+.-]*:")


def read_annotated(path: Path) -> GoldSet:
    """Read JSON Lines of `AnnotatedPost`; words are those that serving cuts.

    A picture's name is the last part of its URL's path; what has no scheme is a path within the folder.

    Raises:
        DatasetError: the file can't be read or a line is no annotated post; names line and field.
    """
    posts: list[GoldPost] = []
    oddities: Counter[str] = Counter()
    for number, line in numbered_lines(path):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        post = gold_post(parse_annotated(line, where), where, oddities)
        if post is not None:
            posts.append(post)
    return GoldSet(tuple(posts), dict(oddities))


def gold_post(annotated: AnnotatedPost, where: str, oddities: Counter[str]) -> GoldPost | None:
    """An annotated post on the words that serving cuts; None where its text has none.

    Args:
        annotated: the post.
        where: how a message calls it.
        oddities: counts what had to be mended.

    Raises:
        DatasetError: an entity stands where no word is.
    """
    words = cut(annotated.post.text)
    tags = _tags(words, annotated.entities, oddities, where)
    if not words:
        oddities[Oddity.POSTS_WITHOUT_WORDS] += 1
        return None
    images = tuple(_name(url) for url in annotated.post.pictures)
    return GoldPost(tuple(word.text for word in words), tags, images, annotated.relations or ())


def parse_annotated(line: str, where: str) -> AnnotatedPost:
    """Read one annotated post, JSON.

    Args:
        line: the post.
        where: how a message calls it.

    Raises:
        DatasetError: it is none; names the field.
    """
    try:
        return AnnotatedPost.model_validate_json(line)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in detail["loc"])
        reason = detail["msg"].removeprefix("Value error, ")
        raise DatasetError(
            f"{where}: {f'field {field}: ' if field else ''}{reason}; see `rpbert schemas annotated_post`"
        ) from None


def _tags(
    words: Sequence[Word], entities: Sequence[GoldEntity], oddities: Counter[str], where: str
) -> tuple[str, ...]:
    """BIO tags; an entity takes every word that it touches."""
    tags = ["O"] * len(words)
    for index, entity in enumerate(entities):
        touched = [
            place for place, word in enumerate(words) if word.start < entity.end and entity.start < word.end
        ]
        if not touched:
            raise DatasetError(
                f"{where}: field entities.{index}: no word stands from {entity.start} to {entity.end}; "
                "offsets count Unicode code points"
            )
        first, last = touched[0], touched[-1]
        if words[first].start < entity.start or entity.end < words[last].end:
            oddities[Oddity.WIDENED_SPANS] += 1
        if any(tags[place] != "O" for place in touched):
            oddities[Oddity.SPANS_IN_ONE_WORD] += 1
            continue
        tags[first : last + 1] = [f"B-{entity.type}", *[f"I-{entity.type}"] * (last - first)]
    return tuple(tags)


def _name(url: str) -> str:
    # By hand: a URL in a post need not be one, and urlsplit refuses some.
    path = unquote(re.split("[?#]", url, maxsplit=1)[0])
    return path.rpartition("/")[2] if _SCHEME.match(path) else path
