"""Which annotations train, which choose the epoch, which judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from model.data.annotated import gold_post
from model.data.gold import DatasetError
from schemas import AnnotatedPost


@dataclass(frozen=True, slots=True)
class Parts:
    """Annotations by what they are for; the later a part, the newer its annotations.

    A release trained on the oldest of them was never trained on what is the newest at any later time, so
    what judges a candidate is new to the release in service too.

    Attributes:
        train: The oldest.
        choosing: Those after them.
        held_out: The newest.
        unusable: Annotations with an entity where no word is, or without words.
        known: Those of texts that are gold elsewhere, where they judge.
    """

    train: tuple[AnnotatedPost, ...]
    choosing: tuple[AnnotatedPost, ...]
    held_out: tuple[AnnotatedPost, ...]
    unusable: int
    known: int


def part(
    by_age: Iterable[AnnotatedPost],
    known: AbstractSet[tuple[str, ...]],
    *,
    choosing_share: float,
    held_out_share: float,
) -> Parts:
    """Part annotations by their age.

    Args:
        by_age: one of each post, the oldest first.
        known: words of the posts that judge, which are not to be trained on.
        choosing_share: of the usable ones.
        held_out_share: likewise.
    """
    usable, unusable, seen = [], 0, 0
    for annotated in by_age:
        try:
            post = gold_post(annotated, annotated.post.id, Counter())
        except DatasetError:
            post = None
        if post is None:
            unusable += 1
        elif post.words in known:
            seen += 1
        else:
            usable.append(annotated)
    held_out, choosing = (int(len(usable) * share) for share in (held_out_share, choosing_share))
    first, second = len(usable) - held_out - choosing, len(usable) - held_out
    return Parts(
        train=tuple(usable[:first]),
        choosing=tuple(usable[first:second]),
        held_out=tuple(usable[second:]),
        unusable=unusable,
        known=seen,
    )
