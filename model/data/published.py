"""The published splits, by their counts, so that a file can be told to be one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from schemas import EntityType

_LIKE: Final = 0.05
"""Share of a split's entities that copies of it may differ by."""


@dataclass(frozen=True, slots=True)
class PublishedSplit:
    """A split's name, its posts, and its entities by type."""

    name: str
    posts: int
    entities: Mapping[EntityType, int]


@dataclass(frozen=True, slots=True)
class PublishedLabels:
    """A set of relation labels: its name, its tweets, and the share of them that are related."""

    name: str
    tweets: int
    related: float


def _split(name: str, posts: int, **entities: int) -> PublishedSplit:
    return PublishedSplit(name, posts, {EntityType(kind): count for kind, count in entities.items()})


SPLITS: Final = (
    # Zhang, Fu, Liu and Huang 2018.
    _split("Twitter-2015 train", 4000, PER=2217, LOC=2091, ORG=928, MISC=940),
    _split("Twitter-2015 valid", 1000, PER=552, LOC=522, ORG=247, MISC=225),
    _split("Twitter-2015 test", 3257, PER=1816, LOC=1697, ORG=839, MISC=726),
    # Lu, Neves, Carvalho, Zhang and Ji 2018, as Yu, Jiang, Yang and Xia 2020 (UMT) give it.
    _split("Twitter-2017 train", 3373, PER=2943, LOC=731, ORG=1674, MISC=701),
    _split("Twitter-2017 valid", 723, PER=626, LOC=173, ORG=375, MISC=150),
    _split("Twitter-2017 test", 723, PER=621, LOC=178, ORG=395, MISC=157),
)

TRC: Final = PublishedLabels("TRC, text-image relation", 4471, 0.44)
"""Vempala and Preoţiuc-Pietro 2019."""


def recognise(posts: int, entities: Mapping[EntityType, int]) -> PublishedSplit | None:
    """The published split with as many posts and nearly these entities; None where there is none."""
    splits = [split for split in SPLITS if split.posts == posts]
    nearest = min(splits, key=lambda split: _distance(split, entities), default=None)
    if nearest is None or _distance(nearest, entities) > _LIKE * sum(nearest.entities.values()):
        return None
    return nearest


def _distance(split: PublishedSplit, entities: Mapping[EntityType, int]) -> int:
    return sum(abs(count - entities.get(kind, 0)) for kind, count in split.entities.items())
