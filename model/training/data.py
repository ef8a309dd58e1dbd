"""All that a run reads: gold posts, relation labels and where their pictures lie."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from model.alignment.captions import Captions
from model.alignment.sentences import SentenceVectors
from model.data.captioned import CaptionedPicture, read_captioned_pictures
from model.data.gold import DatasetError, GoldPost, GoldSet
from model.data.images import ImageFolder
from model.data.read import read_gold
from model.data.relation import TrcSet, read_trc
from model.relation import LabelledPairs, Pair, Pairs
from model.training.pictures import Pictures
from model.training.settings import TrainingSettings, shown
from model.words import WordPieces
from schemas import MAX_IMAGES

PostWithPictures = tuple[GoldPost, Sequence[Path]]
"""A gold post and those of its pictures that can be decoded."""


class DataCounts(BaseModel):
    """How much there was and what was amiss; stands in the report.

    Attributes:
        train: Posts of each file to train on.
        train_posts_with_picture: Of them, those with a picture that can be decoded.
        dev: Posts of each development file.
        oddities: What was mended in each file, see `Oddity`.
        pictures: Pictures that could be decoded.
        missing_pictures: Pictures that posts name and no folder has.
        broken_pictures: Pictures that can't be decoded.
        pairs: Pairs of each source that an epoch trains on.
        held_out_pairs: Pairs of each source that only measure.
        malformed_relation_rows: Reason by line number of the CSV.
        relation_rows_without_text: Labelled tweets without a text.
        relation_rows_without_picture: Labelled tweets without a picture.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: dict[str, int]
    train_posts_with_picture: int
    dev: dict[str, int]
    oddities: dict[str, dict[str, int]]
    pictures: int
    missing_pictures: int
    broken_pictures: int
    pairs: dict[str, int]
    held_out_pairs: dict[str, int]
    malformed_relation_rows: dict[int, str]
    relation_rows_without_text: int
    relation_rows_without_picture: int


@dataclass(frozen=True, slots=True)
class Data:
    """Files as read, before any picture is looked at.

    Attributes:
        train: Posts to train on, by their file's name.
        dev: Posts that choose the epoch, likewise.
        images: Where the posts' pictures lie, by the names that posts have for them.
        captioned: Captioned pictures of the first directory, which is measured on.
        further_captioned: Those of the others.
        trc: What the relation CSV gave, if there was one.
    """

    train: Mapping[str, GoldSet]
    dev: Mapping[str, GoldSet]
    images: Mapping[str, Path]
    captioned: Sequence[CaptionedPicture]
    further_captioned: Sequence[CaptionedPicture]
    trc: TrcSet | None

    @classmethod
    def read(cls, settings: TrainingSettings) -> Data:
        """Read every file that the settings name.

        Raises:
            DatasetError: a file can't be read, or has no posts.
        """
        train, dev = _read(settings.train), _read(settings.dev)
        trc = None
        if settings.relation and settings.relation_texts and settings.relation_images:
            trc = read_trc(settings.relation, settings.relation_texts, settings.relation_images)
        posts = [post for found in (*train.values(), *dev.values()) for post in found.posts]
        return cls(
            train=train,
            dev=dev,
            images=_find(posts, [ImageFolder(directory) for directory in settings.images]),
            captioned=_captioned(settings.captioned_pictures[:1]),
            further_captioned=_captioned(settings.captioned_pictures[1:]),
            trc=trc,
        )

    def picture_paths(self) -> Iterator[Path]:
        """Every picture that is used."""
        yield from self.images.values()
        yield from (picture.path for picture in (*self.captioned, *self.further_captioned))
        if self.trc is not None:
            yield from (pair.picture for pair in self.trc.pairs)

    def training_posts(self, pictures: Pictures) -> list[PostWithPictures]:
        """The posts of all files to train on."""
        return [post for found in self.train.values() for post in self._with_pictures(found, pictures)]

    def dev_posts(self, pictures: Pictures) -> dict[str, list[PostWithPictures]]:
        """The posts of each development file."""
        return {name: self._with_pictures(found, pictures) for name, found in self.dev.items()}

    def captions(self, pictures: Pictures, sentences: SentenceVectors, seed: int) -> Captions | None:
        """Captioned pictures for training and measuring, if there are some.

        Raises:
            DatasetError: too few to hold some out.
            WeightsError: all-MiniLM, which says what is too close to a held-out caption, can't be had.
        """
        if not self.captioned:
            return None
        first, further = (
            [picture for picture in part if picture.path in pictures]
            for part in (self.captioned, self.further_captioned)
        )
        return Captions.part(first, further, sentences, seed)

    def labelled_pairs(self, pictures: Pictures, pieces: WordPieces, seed: int) -> list[Pairs]:
        """Pairs that people have labelled, of each source that has some."""
        sources: list[Pairs] = []
        if self.trc is not None:
            pairs = [
                Pair(pieces.prepare(pair.text), pair.picture, pair.related, by_people=True)
                for pair in self.trc.pairs
                if pair.picture in pictures
            ]
            sources.append(LabelledPairs("labelled tweets", pairs, seed))
        annotated = [
            Pair(pieces.prepare_words(post.words), path, related, by_people=True)
            for found in self.train.values()
            for post in found.posts
            for name, related in zip(post.images, post.relations, strict=False)
            if related is not None and (path := self.images.get(name)) is not None and path in pictures
        ]
        if annotated:
            sources.append(LabelledPairs("annotated posts", annotated, seed))
        return sources

    def digest(self, pictures: Pictures) -> str:
        """SHA-256 over all that training and its judgement see."""
        seen = [
            [[(post.words, post.tags, post.images, post.relations) for post in found.posts] for found in part]
            for part in (self.train.values(), self.dev.values())
        ]
        captions = [
            [(picture.caption, picture.concept) for picture in part]
            for part in (self.captioned, self.further_captioned)
        ]
        labels = [(pair.text, pair.related) for pair in self.trc.pairs] if self.trc else []
        everything = json.dumps([seen, sorted(self.images), captions, labels, pictures.digest])
        return hashlib.sha256(everything.encode()).hexdigest()

    def counts(self, pictures: Pictures, relation: Sequence[Pairs]) -> DataCounts:
        """For the report."""
        files = {**self.train, **self.dev}
        named = {name for found in files.values() for post in found.posts for name in post.images}
        return DataCounts(
            train={name: len(found.posts) for name, found in self.train.items()},
            train_posts_with_picture=sum(bool(found) for _, found in self.training_posts(pictures)),
            dev={name: len(found.posts) for name, found in self.dev.items()},
            oddities={name: dict(found.oddities) for name, found in files.items()},
            pictures=len(pictures),
            missing_pictures=len(named - self.images.keys()),
            broken_pictures=len(pictures.broken),
            pairs={pairs.name: len(pairs) for pairs in relation},
            held_out_pairs={pairs.name: len(pairs.held_out) for pairs in relation},
            malformed_relation_rows=dict(self.trc.labels.malformed) if self.trc else {},
            relation_rows_without_text=self.trc.missing_texts if self.trc else 0,
            relation_rows_without_picture=self.trc.missing_pictures if self.trc else 0,
        )

    def _with_pictures(self, found: GoldSet, pictures: Pictures) -> list[PostWithPictures]:
        return [
            (
                post,
                [
                    path
                    for name in post.images[:MAX_IMAGES]
                    if (path := self.images.get(name)) is not None and path in pictures
                ],
            )
            for post in found.posts
        ]


def _captioned(directories: Iterable[Path]) -> list[CaptionedPicture]:
    return [picture for directory in directories for picture in read_captioned_pictures(directory)]


def _read(paths: Sequence[Path]) -> dict[str, GoldSet]:
    read = {}
    for name, path in short_names(paths).items():
        read[name] = read_gold(path)
        if not read[name].posts:
            raise DatasetError(f"{path}: has no posts; give a file that has")
    return read


def short_names(paths: Sequence[Path]) -> dict[str, Path]:
    """Each path by its last two parts, or by the whole of it where two would be called the same."""
    names = [shown(path) for path in paths]
    return {
        name if names.count(name) == 1 else str(path): path for name, path in zip(names, paths, strict=True)
    }


def _find(posts: Iterable[GoldPost], folders: Sequence[ImageFolder]) -> dict[str, Path]:
    """The pictures that posts name, in the first folder that has each."""
    names = {name for post in posts for name in post.images}
    places = {name: [path for folder in folders if (path := folder.find(name))] for name in names}
    return {name: found[0] for name, found in places.items() if found}
