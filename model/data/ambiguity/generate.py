"""The posts of the ambiguity set, drawn from a seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from itertools import permutations
from pathlib import Path
from typing import Final

import numpy as np

from model.data.ambiguity.concepts import Split, Thing, read_things
from model.data.ambiguity.wording import NAMES, SENTENCES
from model.data.gold import DatasetError
from schemas import AnnotatedPost, EntityType, GoldEntity, Post


class Role(StrEnum):
    """What a picture is to the text of its post."""

    CONFIRMS = "confirms"
    """Related: it shows the first reading."""
    OVERTURNS = "overturns"
    """Related: it shows the second reading."""
    MISLEADS = "misleads"
    """Unrelated: of the second reading's type, but not what the text names."""
    DISTRACTS = "distracts"
    """Unrelated: of a type that the text does not name."""

    @property
    def related(self) -> bool:
        """Whether the picture shows what the text names; only then it decides."""
        return self in {Role.CONFIRMS, Role.OVERTURNS}


ROLES: Final = (Role.CONFIRMS, Role.OVERTURNS, Role.MISLEADS, Role.DISTRACTS, Role.DISTRACTS)
"""The posts that each text is in, so that 60 % of the pictures are unrelated."""

_ANNOTATED_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)


def generate(pictures: Path, seed: int) -> Mapping[Split, list[AnnotatedPost]]:
    """Draw the posts of each split.

    Each name has a text for each ordered pair of types, and each text is in five posts that differ by
    their picture alone. Picture URLs are paths within `pictures`.

    Args:
        pictures: the stamps of Debian's tuxpaint-stamps-default.
        seed: of what is drawn; what belongs to which split is written down, not drawn.

    Raises:
        DatasetError: pictures of a concept are missing, or too much alike by their captions.
    """
    things = [thing for found in read_things(pictures).values() for thing in found]
    return {
        split: _SplitDraw([each for each in things if each.concept.split is split], seed, split).posts()
        for split in Split
    }


def role_of(post: Post) -> Role:
    """What the picture of a generated post is to its text; the post's id tells."""
    return Role(post.id.split("-")[2])


class _SplitDraw:
    """A split as it is drawn."""

    def __init__(self, things: Sequence[Thing], seed: int, split: Split) -> None:
        self._things = things
        self._seed = seed
        self._split = split
        self._random = np.random.default_rng((seed, tuple(Split).index(split)))

    def posts(self) -> list[AnnotatedPost]:
        pairs = [(name, *pair) for name in NAMES[self._split] for pair in permutations(EntityType, 2)]
        sentences = self._shuffled(SENTENCES[self._split], len(pairs))
        return [
            post
            for number, ((name, first, second), sentence) in enumerate(zip(pairs, sentences, strict=True))
            for post in self._of_text(number, name, sentence, first, second)
        ]

    def _of_text(
        self, number: int, name: str, sentence: str, first: EntityType, second: EntityType
    ) -> Iterator[AnnotatedPost]:
        """The five posts of a text."""
        one = self._draw([each for each in self._things if each.concept.type is first])
        others = [each for each in self._things if each.concept.type is second]
        other = self._draw([each for each in others if not each.words & one.words])
        text = sentence.format(name=name, first=one.gloss, second=other.gloss)
        start = text.index(name)
        for index, (role, shown) in enumerate(zip(ROLES, self._shown(one, other), strict=True)):
            kind = second if role is Role.OVERTURNS else first
            yield AnnotatedPost(
                post=Post(id=f"{self._split}-{number:03}-{role}-{index}", text=text, image_url=shown.picture),
                entities=(GoldEntity(type=kind, start=start, end=start + len(name)),),
                relations=(role.related,),
                annotator=f"rpbert data ambiguity --seed {self._seed}",
                annotated_at=_ANNOTATED_AT,
            )

    def _shown(self, one: Thing, other: Thing) -> list[Thing]:
        """What the pictures of a text show that names `one` and `other`, in the order of `ROLES`."""
        shown = [one, other]
        for role in ROLES[len(shown) :]:
            fitting = [
                thing for thing in self._things if _role(thing, one, other) is role and thing not in shown
            ]
            shown.append(self._draw(fitting))
        return shown

    def _draw(self, things: Sequence[Thing]) -> Thing:
        """One of them, each concept as likely as another: no picture gives its relation away."""
        if not things:
            raise DatasetError(
                "too few pictures to draw from, for their captions share words; give the stamps directory of "
                "Debian's tuxpaint-stamps-default"
            )
        concepts = list(dict.fromkeys(thing.concept for thing in things))
        concept = concepts[self._random.integers(len(concepts))]
        of_concept = [thing for thing in things if thing.concept is concept]
        return of_concept[self._random.integers(len(of_concept))]

    def _shuffled(self, sentences: Sequence[str], count: int) -> list[str]:
        """Each sentence as often as another, in random order."""
        return [sentences[index % len(sentences)] for index in self._random.permutation(count)]


def _role(thing: Thing, one: Thing, other: Thing) -> Role | None:
    """What an unrelated thing is to a text that names `one`, then `other`; None where it is neither."""
    if thing.words & (one.words | other.words):
        return None
    if thing.concept.type is other.concept.type:
        return None if thing.concept is other.concept else Role.MISLEADS
    return None if thing.concept.type is one.concept.type else Role.DISTRACTS
