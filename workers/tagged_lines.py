"""A tagged text set in lines of equal cells, each entity with its type and score behind it."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from schemas import Entity, EntityType
from workers.render import plain

TAG_SIZE: Final = 0.8
"""Size of a tag beside that of the text."""


@dataclass(frozen=True, slots=True)
class Run:
    """Characters side by side in one style.

    Attributes:
        text: the characters.
        column: cell that they begin in.
        cells: how many they take.
        type: of the entity that they belong to.
        tag: whether they are the entity's tag, not its words.
    """

    text: str
    column: int
    cells: int
    type: EntityType | None = None
    tag: bool = False


def tagged_lines(text: str, entities: Sequence[Entity], *, width: int) -> list[list[Run]]:
    """Lines of at most `width` cells, broken at white space where there is some."""
    lines: list[list[Run]] = [[]]
    column = 0
    for part, kind, tag in _parts(text, entities):
        cells = math.ceil(sum(map(_cells, part)) * (TAG_SIZE if tag else 1))
        if column and column + cells > width:
            lines.append([])
            column = 0
        if not (part.isspace() and column == 0):
            lines[-1].append(Run(part, column, cells, kind, tag))
            column += cells
    return lines


def _parts(text: str, entities: Sequence[Entity]) -> Iterator[tuple[str, EntityType | None, bool]]:
    """What stays on one line: words, spaces and tags."""
    end = 0
    for entity in entities:
        for part in _cut(text[end : entity.start]):
            yield part, None, False
        for part in _cut(entity.text):
            yield part, entity.type, False
        yield f" {entity.type.value} {entity.score:.2f}", entity.type, True
        end = entity.end
    for part in _cut(text[end:]):
        yield part, None, False


def _cut(text: str) -> list[str]:
    """Words and spaces; a word without end is cut."""
    return re.findall(r"\s|\S{1,40}", plain(text))


def _cells(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Mn"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
