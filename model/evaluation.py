"""Entity scores of a release on gold data, by the same code that serves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict
from seqeval.metrics import classification_report
from seqeval.scheme import IOB2

from model.data.gold import GoldPost
from model.inference import Tagger, TagRequest
from schemas import EntityType

_BATCH: Final = 64


class _Figures(BaseModel):
    model_config = ConfigDict(frozen=True)


class Score(_Figures):
    """Precision, recall and F1, 0-1, and how many gold entities they stand on."""

    precision: float
    recall: float
    f1: float
    support: int


class Scores(_Figures):
    """Micro average over the entities, and each type."""

    micro: Score
    types: dict[str, Score]


class EntityScores(_Figures):
    """The same predictions scored in the two ways that papers use.

    `conlleval` lets an I- with none of its type before it start an entity; `strict` (IOB2) does not.
    """

    conlleval: Scores
    strict: Scores


def evaluate_entities(tagger: Tagger, sentences: Sequence[GoldPost]) -> EntityScores:
    """Score a tagger on sentences, text only."""
    return score(sentences, predict(tagger, sentences))


def predict(tagger: Tagger, sentences: Sequence[GoldPost]) -> list[list[str]]:
    """BIO tags for the words of the sentences."""
    predicted: list[list[str]] = [[] for _ in sentences]
    # Of like lengths together: most of a mixed batch is padding.
    order = sorted(range(len(sentences)), key=lambda index: len(sentences[index].words))
    for first in range(0, len(order), _BATCH):
        chosen = order[first : first + _BATCH]
        texts = [tagger.prepare_words(sentences[index].words) for index in chosen]
        taggings = tagger.tag([TagRequest(text) for text in texts])
        for index, text, tagging in zip(chosen, texts, taggings, strict=True):
            word_at = {word.start: position for position, word in enumerate(text.words)}
            behind_at = {word.end: position + 1 for position, word in enumerate(text.words)}
            spans = ((e.type, word_at[e.start], behind_at[e.end]) for e in tagging.entities)
            predicted[index] = to_bio(len(text.words), spans)
    return predicted


def to_bio(words: int, spans: Iterable[tuple[str, int, int]]) -> list[str]:
    """BIO tags of so many words from entities `(type, first word, behind the last)`."""
    tags = ["O"] * words
    for kind, start, end in spans:
        tags[start:end] = [f"B-{kind}", *[f"I-{kind}"] * (end - start - 1)]
    return tags


def score(sentences: Sequence[GoldPost], predicted: Sequence[Sequence[str]]) -> EntityScores:
    """Compare predicted with gold tags."""
    gold = [list(sentence.tags) for sentence in sentences]
    found = [list(tags) for tags in predicted]
    return EntityScores(
        conlleval=_scores(gold, found), strict=_scores(gold, found, mode="strict", scheme=IOB2)
    )


def _scores(gold: list[list[str]], found: list[list[str]], **style: object) -> Scores:
    report = classification_report(gold, found, output_dict=True, zero_division=0, **style)
    return Scores(
        micro=_score(report["micro avg"]),
        types={kind: _score(report[kind]) for kind in EntityType if kind in report},
    )


def _score(row: Mapping[str, float]) -> Score:
    return Score(
        precision=float(row["precision"]),
        recall=float(row["recall"]),
        f1=float(row["f1-score"]),
        support=int(row["support"]),
    )
