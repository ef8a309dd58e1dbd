"""The figures of a candidate and of the release in service, on the same posts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from model.data.gold import GoldPost
from model.data.images import ImageFolder, PostPictures
from model.data.read import read_all, read_gold
from model.evaluation import predict
from model.golden import wrong_spans
from model.inference import Tagger
from model.latency import seconds_in_turns
from model.scores import EntityScores, score_entities
from model.spans import conlleval_spans
from model.training.data import short_names
from schemas import AnnotatedPost
from workers.trainer.rule import Figures

_TIMED_POSTS: Final = 32


@dataclass(frozen=True, slots=True)
class Exam:
    """The posts that judge.

    Attributes:
        dev: Of each development file.
        golden: Posts that must be tagged exactly as annotated.
        folders: Where their pictures lie.
    """

    dev: Mapping[str, Sequence[GoldPost]]
    golden: Sequence[GoldPost]
    folders: Sequence[ImageFolder]

    @classmethod
    def read(cls, dev: Sequence[Path], golden: Sequence[Path], images: Sequence[Path]) -> Exam:
        """Read the files.

        Raises:
            DatasetError: one can't be read.
        """
        return cls(
            dev={name: read_gold(path).posts for name, path in short_names(dev).items()},
            golden=read_all(golden),
            folders=[ImageFolder(path) for path in images],
        )

    @property
    def words(self) -> frozenset[tuple[str, ...]]:
        """What the posts say."""
        return frozenset(post.words for posts in (*self.dev.values(), self.golden) for post in posts)

    def figures(self, taggers: Sequence[Tagger], held_out: Sequence[GoldPost]) -> list[Figures]:
        """Measure releases.

        The golden posts that the first of them carries are asked of all, by their text alone as workers ask.

        Args:
            taggers: the releases, that in service first.
            held_out: annotations that none of them was trained on.
        """
        timed = [post for posts in self.dev.values() for post in posts][:_TIMED_POSTS]
        seconds = seconds_in_turns(taggers, timed)
        carried = taggers[0].golden
        return [
            self._figures(tagger, held_out, carried, each)
            for tagger, each in zip(taggers, seconds, strict=True)
        ]

    def _figures(
        self, tagger: Tagger, held_out: Sequence[GoldPost], carried: Sequence[AnnotatedPost], seconds: float
    ) -> Figures:
        scores = {name: self._scores(tagger, posts) for name, posts in self.dev.items()}
        golden = predict(tagger, self.golden, PostPictures(*self.folders))
        return Figures(
            dev=scores,
            held_out=self._scores(tagger, held_out) if held_out else None,
            seconds=seconds,
            golden=len(self.golden) + len(carried),
            wrong_golden=(
                *(
                    " ".join(post.words)
                    for post, found in zip(self.golden, golden, strict=True)
                    if conlleval_spans(post.tags) != conlleval_spans(found.tags)
                ),
                *(
                    each.post.text
                    for each in carried
                    if wrong_spans(each, tagger.entities_of(each.post.text))
                ),
            ),
        )

    def _scores(self, tagger: Tagger, posts: Sequence[GoldPost]) -> EntityScores:
        found = predict(tagger, posts, PostPictures(*self.folders))
        return score_entities([post.tags for post in posts], [each.tags for each in found])
