"""What development data says of a network, by the code that serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from tokenizers import Tokenizer

from model.evaluation import word_tags
from model.inference import Tagger, TagRequest
from model.relation import Pairs
from model.release import Release
from model.rpbert import RpBert
from model.scores import EntityScores, RelationScores, score_entities, score_relations
from model.training.data import PostWithPictures
from model.training.pictures import Pictures
from model.training.progress import Epoch

_BATCH: Final = 64


@dataclass(frozen=True, slots=True)
class JudgedPairs:
    """Held-out pairs of one source: P(related), and whether they are related."""

    scores: tuple[float, ...]
    related: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything that is measured.

    Attributes:
        tags: BIO tags found, for the posts of each development file.
        entities: Scores of each file.
        pairs: Held-out pairs of each source that has some.
    """

    tags: dict[str, list[tuple[str, ...]]]
    entities: dict[str, EntityScores]
    pairs: dict[str, JudgedPairs]

    @property
    def f1(self) -> float:
        """Mean over the files of micro F1, conlleval-style."""
        return float(np.mean([scores.conlleval.micro.f1 for scores in self.entities.values()]))

    @property
    def relation(self) -> dict[str, RelationScores]:
        """Scores of each source of pairs."""
        return {name: score_relations(each.related, each.scores) for name, each in self.pairs.items()}


class Judge:
    """Development posts and held-out pairs."""

    def __init__(
        self,
        dev: Mapping[str, Sequence[PostWithPictures]],
        relation: Sequence[Pairs],
        pictures: Pictures,
        tokenizer: Tokenizer,
        device: torch.device,
    ) -> None:
        self.dev = dev
        self._relation = relation
        self._pictures = pictures
        self._tokenizer = tokenizer
        self._device = device

    def epoch(self, number: int, model: RpBert) -> Epoch:
        """Judge the network of an epoch; it is taken over and not to be trained on."""
        release = Release("candidate", str(number), model, self._tokenizer)
        verdict = self.judge(Tagger(release, device=self._device, dtype=torch.float32))
        auc = {name: scores.auc for name, scores in verdict.relation.items() if scores.auc is not None}
        return Epoch(epoch=number, f1=verdict.f1, entities=verdict.entities, relation_auc=auc)

    def judge(self, tagger: Tagger) -> Verdict:
        """Measure a tagger."""
        tags = {name: self._tags(tagger, posts) for name, posts in self.dev.items()}
        return Verdict(
            tags=tags,
            entities={name: score_entities(self.gold(name), found) for name, found in tags.items()},
            pairs={pairs.name: self._judged(tagger, pairs) for pairs in self._relation if pairs.held_out},
        )

    def gold(self, name: str) -> list[tuple[str, ...]]:
        """BIO tags of the posts of a development file."""
        return [post.tags for post, _ in self.dev[name]]

    def _tags(self, tagger: Tagger, posts: Sequence[PostWithPictures]) -> list[tuple[str, ...]]:
        found: list[tuple[str, ...]] = [()] * len(posts)
        # Of like lengths together: most of a mixed batch is padding.
        order = sorted(range(len(posts)), key=lambda index: len(posts[index][0].words))
        for first in range(0, len(order), _BATCH):
            chosen = order[first : first + _BATCH]
            paths = [path for index in chosen for path in posts[index][1]]
            regions = iter(self._pictures.regions(paths, tagger.describe))
            requests = [
                TagRequest(tagger.prepare_words(post.words), tuple(next(regions) for _ in found_pictures))
                for post, found_pictures in (posts[index] for index in chosen)
            ]
            for index, request, tagging in zip(chosen, requests, tagger.tag(requests), strict=True):
                found[index] = word_tags(request.text, tagging)
        return found

    def _judged(self, tagger: Tagger, pairs: Pairs) -> JudgedPairs:
        scores: list[float] = []
        for first in range(0, len(pairs.held_out), _BATCH):
            chosen = pairs.held_out[first : first + _BATCH]
            regions = self._pictures.regions([pair.picture for pair in chosen], tagger.describe)
            taggings = tagger.tag(
                [TagRequest(pair.text, (each,)) for pair, each in zip(chosen, regions, strict=True)]
            )
            scores += [tagging.relevance[0] for tagging in taggings]
        return JudgedPairs(tuple(scores), tuple(pair.related for pair in pairs.held_out))
