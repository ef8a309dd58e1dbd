"""Entities of a tagged word sequence, and how probable each is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Span(NamedTuple):
    """Words `start` to `end`, end exclusive, that name a thing of type `kind`."""

    kind: str
    start: int
    end: int


def conlleval_spans(tags: Sequence[str]) -> list[Span]:
    """Entities as `conlleval` reads them: an I- with none of its type before it starts one."""
    spans: list[Span] = []
    kind, start = "", 0
    for word, tag in enumerate((*tags, "O")):
        prefix, _, tag_kind = tag.partition("-")
        if kind and not (prefix == "I" and tag_kind == kind):
            spans.append(Span(kind, start, word))
            kind = ""
        if tag_kind and not kind:
            kind, start = tag_kind, word
    return spans


def strict_spans(tags: Sequence[str]) -> list[Span]:
    """Entities of IOB2: an I- with none of its type before it is no entity."""
    return [span for span in conlleval_spans(tags) if tags[span.start].startswith("B-")]


def span_probability(
    span: Span,
    tags: Sequence[str],
    *,
    emissions: npt.NDArray[np.float64],
    transitions: npt.NDArray[np.float64],
    ends: npt.NDArray[np.float64],
    prefixes: npt.NDArray[np.float64],
    suffixes: npt.NDArray[np.float64],
    total: float,
) -> float:
    """Posterior probability under the CRF that exactly this span is an entity of its type.

    The sum over all paths with B- at its first word, I- at the others, and no I- of the type behind it.

    Args:
        span: the entity.
        tags: names of the tags, in the order of the last axes.
        emissions: `(words, tags)`.
        transitions: `(tags, tags)` from-to.
        ends: `(tags,)`.
        prefixes: `(words, tags)` log sums up to each tag.
        suffixes: `(words, tags)` log sums behind each tag.
        total: log sum over all paths.
    """
    begin, inside = tags.index(f"B-{span.kind}"), tags.index(f"I-{span.kind}")
    score = prefixes[span.start, begin]
    tag = begin
    for word in range(span.start + 1, span.end):
        score += transitions[tag, inside] + emissions[word, inside]
        tag = inside
    if span.end == len(emissions):
        score += ends[tag]
    else:
        onward = transitions[tag] + emissions[span.end] + suffixes[span.end]
        score += np.logaddexp.reduce(np.delete(onward, inside))
    return min(1.0, math.exp(score - total))
