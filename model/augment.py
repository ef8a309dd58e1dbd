"""Gold posts varied as training goes on, and put into batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from model.data.gold import GoldPost, mend
from model.words import PreparedText, WordPieces


def merge_signs(post: GoldPost, share: float, random: np.random.Generator) -> GoldPost:
    """Join some signs `#` and `@` with the word behind them, which keeps its tag.

    The gold sets cut "#NBA" in two, a post at serving has it whole; the tagger is to know both.
    """
    words: list[str] = []
    tags: list[str] = []
    for word, tag in zip(post.words, mend(post.tags), strict=True):
        if words and words[-1] in "#@" and not tag.startswith("I-") and random.random() < share:
            words[-1] += word
            tags[-1] = tag
        else:
            words.append(word)
            tags.append(tag)
    return dataclasses.replace(post, words=tuple(words), tags=tuple(tags))


def mask_pieces(
    text: PreparedText, share: float, pieces: WordPieces, random: np.random.Generator
) -> PreparedText:
    """Hide some word pieces behind [MASK], never a special."""
    windows = tuple(
        np.where(
            (random.random(len(window)) < share) & ~np.isin(window, pieces.specials), pieces.mask, window
        )
        for window in text.windows
    )
    return dataclasses.replace(text, windows=windows)


def shuffled_batches(lengths: Sequence[int], size: int, random: np.random.Generator) -> list[list[int]]:
    """Indices in batches of like lengths, the batches in random order.

    Sorted within stretches of many batches only, so that who meets whom changes from epoch to epoch.
    """
    order = random.permutation(len(lengths))
    stretch = 32 * size
    batches = []
    for first in range(0, len(order), stretch):
        part = sorted(order[first : first + stretch].tolist(), key=lambda index: lengths[index])
        batches += [part[start : start + size] for start in range(0, len(part), size)]
    random.shuffle(batches)
    return batches
