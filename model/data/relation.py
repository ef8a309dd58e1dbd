"""Task 1, text-image relation: the labels of TRC with the texts and pictures that their user fetched."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from model.data.gold import DatasetError, GoldPost
from model.data.images import ImageFolder
from model.data.lines import numbered_lines
from model.data.trc import TrcLabels, read_labels
from model.words import cut

_ID_FIELDS: Final = ("id_str", "id")
_TEXT_FIELDS: Final = ("full_text", "text")


@dataclass(frozen=True, slots=True)
class RelationPair:
    """A text, a picture, and whether the picture adds to what the text says."""

    text: str
    picture: Path
    related: bool


@dataclass(frozen=True, slots=True)
class TrcSet:
    """The pairs of TRC that are whole, and what the others lack.

    Attributes:
        pairs: Text, picture and label of each tweet that has all three, in the order of the labels.
        labels: The labels that they come from.
        missing_texts: Labelled tweets without a text.
        missing_pictures: Labelled tweets with a text and without a picture.
    """

    pairs: tuple[RelationPair, ...]
    labels: TrcLabels
    missing_texts: int
    missing_pictures: int

    @property
    def posts(self) -> tuple[GoldPost, ...]:
        """The pairs as posts with one picture each, on whose entities nobody said anything."""
        return tuple(
            GoldPost(
                words=tuple(word.text for word in cut(pair.text)),
                tags=(),
                images=(pair.picture.name,),
                relations=(pair.related,),
            )
            for pair in self.pairs
        )


def read_trc(labels: Path, texts: Path, images: Path) -> TrcSet:
    """Read labels, texts and pictures.

    Args:
        labels: the CSV of labels, see `read_labels`.
        texts: JSON Lines, a tweet each, as Twitter's own objects: see `read_texts`.
        images: folder of pictures named by tweet ids, such as `698197155698184192.jpg`.

    Raises:
        DatasetError: one of them can't be read; names the file and the line.
    """
    read, found, folder = read_labels(labels), read_texts(texts), ImageFolder(images)
    with_text = {tweet: related for tweet, related in read.related.items() if tweet in found}
    pairs = tuple(
        RelationPair(found[tweet], picture, related)
        for tweet, related in with_text.items()
        if (picture := folder.find(tweet)) is not None
    )
    return TrcSet(
        pairs=pairs,
        labels=read,
        missing_texts=len(read.related) - len(with_text),
        missing_pictures=len(with_text) - len(pairs),
    )


def read_texts(path: Path) -> Mapping[str, str]:
    """Texts by tweet id, from JSON Lines with `id_str` or `id` and `full_text` or `text`.

    An id may be a string or a whole number. The fields named first win: a `text` may be cut short.

    Raises:
        DatasetError: the file can't be read or a line is no such object; names line and field.
    """
    texts: dict[str, str] = {}
    for number, line in numbered_lines(path):
        if line.strip():
            tweet = _object(line, f"{path}:{number}")
            texts[_id(tweet, f"{path}:{number}")] = _text(tweet, f"{path}:{number}")
    return texts


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        tweet = json.loads(line)
    except ValueError:
        tweet = None
    if not isinstance(tweet, dict):
        raise DatasetError(f"{where}: no JSON object; a tweet a line is expected, with its id and its text")
    return tweet


def _id(tweet: Mapping[str, Any], where: str) -> str:
    given = _first(tweet, _ID_FIELDS, where)
    # True is an int to Python.
    if not isinstance(given, str | int) or isinstance(given, bool) or not str(given).isdecimal():
        raise DatasetError(f"{where}: field id: {given!r} is no tweet's id; write all its digits")
    return str(given)


def _text(tweet: Mapping[str, Any], where: str) -> str:
    given = _first(tweet, _TEXT_FIELDS, where)
    if not isinstance(given, str):
        raise DatasetError(f"{where}: field text: must be a string, not {type(given).__name__}")
    return given


def _first(tweet: Mapping[str, Any], fields: tuple[str, ...], where: str) -> object:
    for field in fields:
        if tweet.get(field) is not None:
            return tweet[field]
    raise DatasetError(f"{where}: field {fields[-1]} is missing; {' or '.join(fields)} is read")
