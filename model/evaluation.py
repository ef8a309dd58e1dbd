"""Figures of a release on gold data, by the same code that serves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from model.data.gold import GoldPost
from model.data.images import PostPictures
from model.inference import PreparedText, Tagger, Tagging, TagRequest
from model.scores import EntityScores, RelationScores, score_entities, score_relations, to_bio

__all__ = [
    "EntityScores",
    "Prediction",
    "RelationScores",
    "entity_scores",
    "evaluate_entities",
    "predict",
    "relation_scores",
    "word_tags",
]

_BATCH: Final = 64
_PICTURES: Final = 16
"""Pictures that go through the backbone at once."""

Advance = Callable[[int], None]
"""Takes how many posts more are done."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a release says of a gold post.

    Attributes:
        tags: A BIO tag for each word.
        relevance: P(related) of each of the post's pictures; None for one that took no part.
    """

    tags: tuple[str, ...]
    relevance: tuple[float | None, ...]


def evaluate_entities(tagger: Tagger, posts: Sequence[GoldPost]) -> EntityScores:
    """Score a tagger's entities on posts, text only."""
    return score_entities(
        [post.tags for post in posts], [each.tags for each in predict(tagger, posts, PostPictures(None))]
    )


def entity_scores(posts: Sequence[GoldPost], predicted: Sequence[Prediction]) -> EntityScores | None:
    """Scores over the posts whose entities are annotated; None where there is none."""
    pairs = [(post.tags, each.tags) for post, each in zip(posts, predicted, strict=True) if post.tags]
    if not pairs:
        return None
    return score_entities([gold for gold, _ in pairs], [found for _, found in pairs])


def relation_scores(posts: Sequence[GoldPost], predicted: Sequence[Prediction]) -> RelationScores | None:
    """Scores over the pictures that somebody judged and that took part; None where there is none."""
    pairs = [
        (related, score)
        for post, each in zip(posts, predicted, strict=True)
        if post.relations
        for related, score in zip(post.relations, each.relevance, strict=True)
        if related is not None and score is not None
    ]
    if not pairs:
        return None
    return score_relations([related for related, _ in pairs], [score for _, score in pairs])


def predict(
    tagger: Tagger, posts: Sequence[GoldPost], pictures: PostPictures, advance: Advance = lambda _: None
) -> list[Prediction]:
    """Run posts through a tagger as a worker does.

    Args:
        tagger: the release.
        posts: the posts, whose words stand for a text.
        pictures: decodes their pictures, and counts them.
        advance: is told after each batch how many posts it had.
    """
    predicted: dict[int, Prediction] = {}
    # Of like lengths together: most of a mixed batch is padding.
    order = sorted(range(len(posts)), key=lambda index: len(posts[index].words))
    for first in range(0, len(order), _BATCH):
        chosen = order[first : first + _BATCH]
        found = _predict_batch(tagger, [posts[index] for index in chosen], pictures)
        predicted.update(zip(chosen, found, strict=True))
        advance(len(chosen))
    return [predicted[index] for index in range(len(posts))]


def _predict_batch(tagger: Tagger, posts: Sequence[GoldPost], pictures: PostPictures) -> list[Prediction]:
    decoded = [pictures.decode(post.images) for post in posts]
    regions = iter(_describe(tagger, [pixels for post in decoded for pixels in post if pixels is not None]))
    texts = [tagger.prepare_words(post.words) for post in posts]
    requests = [
        TagRequest(text, tuple(next(regions) for pixels in post if pixels is not None))
        for text, post in zip(texts, decoded, strict=True)
    ]
    predictions = []
    for text, post, tagging in zip(texts, decoded, tagger.tag(requests), strict=True):
        scores = iter(tagging.relevance)
        relevance = tuple(None if pixels is None else next(scores) for pixels in post)
        predictions.append(Prediction(word_tags(text, tagging), relevance))
    return predictions


def word_tags(text: PreparedText, tagging: Tagging) -> tuple[str, ...]:
    """A BIO tag for each word of a text, from the entities that were found in it."""
    word_at = {word.start: place for place, word in enumerate(text.words)}
    behind_at = {word.end: place + 1 for place, word in enumerate(text.words)}
    spans = ((entity.type, word_at[entity.start], behind_at[entity.end]) for entity in tagging.entities)
    return to_bio(len(text.words), spans)


def _describe(tagger: Tagger, pixels: Sequence[npt.NDArray[np.uint8]]) -> list[npt.NDArray[np.float16]]:
    return [
        regions
        for first in range(0, len(pixels), _PICTURES)
        for regions in tagger.describe(np.stack(pixels[first : first + _PICTURES]))
    ]
