"""Scores of entities, in the two ways that papers use, and of the text-image relation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict, Field
from seqeval.metrics import classification_report
from seqeval.scheme import IOB2
from sklearn.metrics import accuracy_score, precision_recall_fscore_support, roc_auc_score

from schemas import EntityType

_RELATED: Final = 0.5
"""Probability above which a picture counts as related (paper, section 3.3)."""


class _Figures(BaseModel):
    model_config = ConfigDict(frozen=True)


class Score(_Figures):
    """Precision, recall and F1, 0-1, and how many gold entities they stand on."""

    precision: float
    recall: float
    f1: float
    support: int


class Scores(_Figures):
    """Micro average over the entities, and each type that was there or was found."""

    micro: Score
    types: dict[str, Score]


class EntityScores(_Figures):
    """The same predictions scored in the two ways that papers use.

    `conlleval` lets an I- with none of its type before it start an entity; `strict` (IOB2) does not.
    """

    conlleval: Scores
    strict: Scores


class RelationScores(_Figures):
    """How well the related pictures were told, over pairs of text and picture; 0-1."""

    pairs: int
    related: int = Field(description="Pairs that are related.")
    accuracy: float
    precision: float
    recall: float
    f1: float
    auc: float | None = Field(description="Area under the ROC curve; null where it has no meaning.")
    auc_missing: str | None = Field(default=None, description="Why there is no AUC.")


def score_entities(gold: Sequence[Sequence[str]], found: Sequence[Sequence[str]]) -> EntityScores:
    """Compare BIO tags, a sequence a post, both as they stand: gold may hold orphan I- tags.

    What has no entity to stand on is 0.
    """
    expected, predicted = [list(tags) for tags in gold], [list(tags) for tags in found]
    return EntityScores(
        conlleval=_scores(expected, predicted),
        strict=_scores(expected, predicted, mode="strict", scheme=IOB2),
    )


def score_relations(related: Sequence[bool], scores: Sequence[float]) -> RelationScores:
    """Compare judgements with relation scores P(related), a pair each; one pair at least."""
    found = [score > _RELATED for score in scores]
    precision, recall, f1, _ = precision_recall_fscore_support(
        related, found, labels=[True], average="binary", pos_label=True, zero_division=0
    )
    one_class = len(set(related)) == 1
    return RelationScores(
        pairs=len(related),
        related=sum(related),
        accuracy=float(accuracy_score(related, found)),
        precision=float(precision),
        recall=float(recall),
        f1=float(f1),
        auc=None if one_class else float(roc_auc_score(related, scores)),
        auc_missing=_only(related[0]) if one_class else None,
    )


def _only(related: bool) -> str:
    return f"every pair is {'related' if related else 'unrelated'}: there is nothing to tell apart"


def to_bio(words: int, spans: Iterable[tuple[str, int, int]]) -> tuple[str, ...]:
    """BIO tags of so many words from entities `(type, first word, behind the last)`."""
    tags = ["O"] * words
    for kind, start, end in spans:
        tags[start:end] = [f"B-{kind}", *[f"I-{kind}"] * (end - start - 1)]
    return tuple(tags)


def _scores(gold: list[list[str]], found: list[list[str]], **style: object) -> Scores:
    if all(tag == "O" for tags in (*gold, *found) for tag in tags):
        # seqeval averages over the types, of which there are none.
        return Scores(micro=Score(precision=0, recall=0, f1=0, support=0), types={})
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
