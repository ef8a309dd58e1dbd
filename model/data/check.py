"""What a data file holds, beside what was published of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from model.data.gold import GoldPost
from model.data.images import ImageFolder, PictureCounts, PostPictures
from model.data.published import TRC, recognise
from model.data.read import DataForm, form_of, read_gold
from model.data.relation import read_texts
from model.data.trc import read_labels
from schemas import EntityType

Advance = Callable[[int, int], None]
"""Takes how many pictures have been looked at, and how many there are."""

_PERCENT: Final = 2
"""Decimals to which a share is published."""


class _Report(BaseModel):
    model_config = ConfigDict(frozen=True)


class PublishedCounts(_Report):
    """What was published of the split that a file is recognised as."""

    name: str
    posts: int
    entities: dict[EntityType, int]
    same: bool


class GoldCheck(_Report):
    """A file of posts with gold entities.

    `entities` counts the B- tags of each type, as the published figures do: orphan I- tags, which
    conlleval-style scoring takes for entities of their own, are counted in `oddities`.
    """

    form: Literal[DataForm.CONLL, DataForm.ANNOTATED]
    posts: int
    entities: dict[EntityType, int]
    pictures: PictureCounts
    relations: int
    oddities: dict[str, int]
    published: PublishedCounts | None


class PublishedTrc(_Report):
    """What was published of the relation labels."""

    name: str
    tweets: int
    related_share: float
    same: bool


class TrcCheck(_Report):
    """A file of relation labels.

    `related_share` is of the `readable` rows; `texts` says how many of those have a text, None where no
    file of texts was given.
    """

    form: Literal[DataForm.TRC]
    rows: int
    readable: int
    related_share: float | None
    malformed: dict[int, str]
    texts: int | None
    pictures: PictureCounts
    published: PublishedTrc | None


def check(
    path: Path, *, images: Path | None, texts: Path | None, advance: Advance = lambda _done, _of: None
) -> GoldCheck | TrcCheck:
    """Read a data file and count what it holds.

    Args:
        path: the file, in any of the forms.
        images: folder of its pictures; each is decoded, to know the broken ones.
        texts: JSON Lines of tweets, for relation labels.
        advance: is told of the pictures.

    Raises:
        DatasetError: something can't be read, or a line is wrong.
    """
    folder = ImageFolder(images) if images is not None else None
    if form_of(path) is DataForm.TRC:
        return _check_trc(path, folder, texts, advance)
    return _check_gold(path, folder, advance)


def _check_gold(path: Path, folder: ImageFolder | None, advance: Advance) -> GoldCheck:
    gold = read_gold(path)
    entities = _entities(gold.posts)
    split = recognise(len(gold.posts), entities)
    return GoldCheck(
        form=DataForm.CONLL if form_of(path) is DataForm.CONLL else DataForm.ANNOTATED,
        posts=len(gold.posts),
        entities=entities,
        pictures=_pictures([post.images for post in gold.posts], folder, advance),
        relations=sum(relation is not None for post in gold.posts for relation in post.relations),
        oddities={name: count for name, count in gold.oddities.items() if count},
        published=split
        and PublishedCounts(
            name=split.name,
            posts=split.posts,
            entities=dict(split.entities),
            same=split.entities == entities,
        ),
    )


def _check_trc(path: Path, folder: ImageFolder | None, texts: Path | None, advance: Advance) -> TrcCheck:
    labels = read_labels(path)
    share = sum(labels.related.values()) / len(labels.related) if labels.related else None
    found = read_texts(texts) if texts is not None else None
    published = None
    if labels.rows == TRC.tweets and share is not None:
        same = round(share, _PERCENT) == TRC.related
        published = PublishedTrc(name=TRC.name, tweets=TRC.tweets, related_share=TRC.related, same=same)
    return TrcCheck(
        form=DataForm.TRC,
        rows=labels.rows,
        readable=len(labels.related),
        related_share=share,
        malformed=dict(labels.malformed),
        texts=None if found is None else sum(tweet in found for tweet in labels.related),
        pictures=_pictures([(tweet,) for tweet in labels.related], folder, advance),
        published=published,
    )


def _entities(posts: Sequence[GoldPost]) -> Mapping[EntityType, int]:
    begun = Counter(tag[2:] for post in posts for tag in post.tags if tag.startswith("B-"))
    return {kind: begun[kind] for kind in EntityType}


def _pictures(
    names: Sequence[tuple[str, ...]], folder: ImageFolder | None, advance: Advance
) -> PictureCounts:
    pictures = PostPictures(folder)
    for done, of_post in enumerate(names, start=1):
        pictures.decode(of_post)
        advance(done, len(names))
    return pictures.counts
