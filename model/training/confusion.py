"""Which entity types are taken for which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from model.spans import conlleval_spans
from schemas import EntityType

MISSED: Final = "missed"
"""Column of gold entities whose exact words are none that was found."""

SPURIOUS: Final = "spurious"
"""Row of found entities whose exact words are none of the gold ones."""


def confusion(gold: Sequence[Sequence[str]], found: Sequence[Sequence[str]]) -> dict[str, dict[str, int]]:
    """Counts by gold type, or spurious, and found type, or missed.

    Entities meet where they cover the same words; one found a word too long is spurious and its gold missed.

    Args:
        gold: BIO tags of each post; an orphan I- begins an entity, as conlleval has it.
        found: likewise.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for gold_tags, found_tags in zip(gold, found, strict=True):
        there, here = _by_place(gold_tags), _by_place(found_tags)
        for place in there.keys() | here.keys():
            counts[there.get(place, SPURIOUS), here.get(place, MISSED)] += 1
    return {
        row: {column: counts[row, column] for column in (*EntityType, MISSED)}
        for row in (*EntityType, SPURIOUS)
    }


def _by_place(tags: Sequence[str]) -> dict[tuple[int, int], str]:
    return {(span.start, span.end): span.kind for span in conlleval_spans(tags)}
