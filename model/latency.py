"""How long releases take for the same posts, one beside the other."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Final

import numpy as np

from model.config import PICTURE_SIZE
from model.data.gold import GoldPost
from model.inference import Tagger, TagRequest

_TURNS: Final = 7
_PICTURED: Final = 4
"""Every so many-th post has a picture."""


def seconds_in_turns(taggers: Sequence[Tagger], posts: Sequence[GoldPost]) -> list[float]:
    """The least seconds that each release takes for a batch of posts, some with a blank picture.

    The releases take turns, so that what else the machine does meets all of them. It can only add to a turn,
    so the least one tells most of the release itself.

    Args:
        taggers: the releases.
        posts: the batch, not empty.
    """
    for tagger in taggers:
        tagger.warm_up()
    turns = [[_once(tagger, posts) for tagger in taggers] for _ in range(_TURNS)]
    return [min(each) for each in zip(*turns, strict=True)]


def _once(tagger: Tagger, posts: Sequence[GoldPost]) -> float:
    began = perf_counter()
    regions = tagger.describe(np.zeros((1, PICTURE_SIZE, PICTURE_SIZE, 3), np.uint8))[0]
    tagger.tag(
        [
            TagRequest(tagger.prepare_words(post.words), () if index % _PICTURED else (regions,))
            for index, post in enumerate(posts)
        ]
    )
    return perf_counter() - began
