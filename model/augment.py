"""Gold sentences varied as training goes on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from model.data.gold import GoldPost, mend
from model.words import WordPieces


def merge_signs(sentence: GoldPost, share: float, random: np.random.Generator) -> GoldPost:
    """Join some signs `#` and `@` with the word behind them, which keeps its tag.

    The gold sets cut "#NBA" in two, a post at serving has it whole; the tagger is to know both.
    """
    words: list[str] = []
    tags: list[str] = []
    for word, tag in zip(sentence.words, mend(sentence.tags), strict=True):
        if words and words[-1] in "#@" and not tag.startswith("I-") and random.random() < share:
            words[-1] += word
            tags[-1] = tag
        else:
            words.append(word)
            tags.append(tag)
    return GoldPost(tuple(words), tuple(tags), sentence.images)


def mask_pieces(ids: Tensor, share: float, pieces: WordPieces, random: torch.Generator) -> Tensor:
    """Hide some word pieces `(windows, length)` behind [MASK], never a special or the padding."""
    hidden = torch.rand(ids.shape, generator=random) < share
    ordinary = ~torch.isin(ids, torch.tensor(pieces.specials))
    return ids.masked_fill(hidden & ordinary, pieces.mask)


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
