"""The text-image relation labels of Vempala and Preoţiuc-Pietro (2019): a CSV of tweet ids, no text."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from model.data.gold import DatasetError
from model.data.lines import numbered_lines

HEADER: Final = ("tweet_id", "text_is_represented", "image_adds")
"""Columns that a file of labels begins with; four more say the same two things one-hot."""

_LABELS: Final = 6
_ID: Final = re.compile("[0-9]+")
_ROUNDED: Final = re.compile(r"[0-9.]+[eE][+]?[0-9]+")


@dataclass(frozen=True, slots=True)
class TrcLabels:
    """Labels by tweet id, and the rows that give none.

    Attributes:
        related: `image_adds` of each tweet: whether the picture adds to what the text says.
        malformed: Reason by line number.
    """

    related: Mapping[str, bool]
    malformed: Mapping[int, str]

    @property
    def rows(self) -> int:
        """Rows of the file, its header aside."""
        return len(self.related) + len(self.malformed)


def read_labels(path: Path) -> TrcLabels:
    """Read the CSV of labels. A malformed row is left out: none of its cells can be trusted.

    Raises:
        DatasetError: the file can't be read, or its header is another.
    """
    lines = numbered_lines(path)
    _, header = next(lines)
    if tuple(header.split(",")[: len(HEADER)]) != HEADER:
        raise DatasetError(f"{path}:1: the header begins {header[:60]!r}, not '{','.join(HEADER)}'")
    related: dict[str, bool] = {}
    malformed: dict[int, str] = {}
    for number, line in lines:
        if not line.strip():
            continue
        # Row by row: a quote left open in a tweet's text must not swallow the rows behind it.
        cells = next(csv.reader([line]))
        tweet, labels = cells[0], cells[1 : _LABELS + 1]
        reason = _fault(tweet, labels)
        if reason is None and tweet in related:
            reason = "the tweet has a row already"
        if reason is None:
            related[tweet] = labels[1] == "1"
        else:
            malformed[number] = reason
    return TrcLabels(related, malformed)


def _fault(tweet: str, labels: list[str]) -> str | None:
    if _ROUNDED.fullmatch(tweet):
        return "the id is rounded, in a spreadsheet's scientific notation"
    if not _ID.fullmatch(tweet):
        return "the id is no number"
    if any(label not in {"0", "1", ""} for label in labels):
        return "text of the tweet stands where labels belong"
    if len(labels) < _LABELS or "" in labels:
        return "a label is missing"
    return None
