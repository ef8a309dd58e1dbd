"""The model card of a release that `rpbert train` made."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Final

from model.scores import EntityScores, RelationScores, Score
from model.training.report import Report

_TEMPLATE: Final = """\
---
license: apache-2.0
language: en
library_name: rpbert-stream
pipeline_tag: token-classification
tags: [named-entity-recognition, multimodal, social-media]
{base_model}---
# RpBERT `{name}` {version}

{warning}Finds people, places, organisations and other names in a post of text and up to four pictures, and
says of each picture whether it is related to the text. The network is that of RpBERT (Sun et al., AAAI 2021,
arXiv 2102.02967): one BERT read twice, a relation gate on 49 block regions a picture, a biLSTM-CRF.

## What it was made from

| part | from | licence |
| --- | --- | --- |
{start}
{data}

Posts and pictures are their authors' and are not here.

## Recipe

```
{command}
```

## Figures

Measured on this release as it is stored (matrices in half precision), one seed, on the development files that
also chose the epoch, {best_epoch} of {epochs}. Micro F1 over entities, %.

{entities}

{relation}

## Limits

- The language and the manner of its training posts; other scripts are cut rightly and seldom understood.
- {pictures}
- Entity scores are the CRF's own posteriors, not calibrated.
"""

_LICENCES: Final = {
    "sentence-transformers/all-MiniLM-L6-v2": "Apache-2.0",
    "google-bert/bert-base-uncased": "Apache-2.0",
    "google-bert/bert-large-uncased": "Apache-2.0",
    "efficientnet_lite0": "Apache-2.0",
    "resnet101": "BSD-3-Clause",
    "resnet152": "BSD-3-Clause",
}
_TEACHER: Final = "sentence-transformers/all-MiniLM-L6-v2"
_UNTRAINED: Final = (
    "**Made from random weights (`--untrained`), to try the mechanics of a recipe: it knows nothing.**\n\n"
)
_TEXT_ONLY: Final = (
    "Trained without the pictures of the posts, so a picture adds nothing to the entities: what was trained\n"
    "  is that an open gate does little harm."
)
_WITH_PICTURES: Final = "Measured with the pictures of the development posts, as far as they were to be had."


def write(report: Report, command: str) -> str:
    """The card's text.

    Args:
        report: of the run.
        command: what started it.
    """
    return _TEMPLATE.format(
        name=report.name,
        version=report.version,
        warning=_UNTRAINED if report.untrained_start else "",
        base_model="" if report.untrained_start else f"base_model: {report.network['encoder']['source']}\n",
        start=_start(report),
        data=_data(report),
        command=command,
        best_epoch=report.best_epoch,
        epochs=len(report.epochs),
        entities=_table(report.dev),
        relation=_relation(report.relation),
        pictures=_WITH_PICTURES if report.data.train_posts_with_picture else _TEXT_ONLY,
    )


def _start(report: Report) -> str:
    base, backbone = report.network["encoder"]["source"], report.network["vision"]["backbone"]
    if report.untrained_start:
        return f"| encoder, vision backbone | random weights, the size of {base} and {backbone} | - |"
    rows = [
        f"| encoder | {base} | {_LICENCES.get(base, 'its own')} |",
        f"| vision backbone, {report.settings['vision']} | {backbone}, ImageNet | {_LICENCES[backbone]} |",
    ]
    if report.alignment is not None and report.alignment.teacher_auc is not None:
        rows.append(f"| teacher of the relation head | {_TEACHER} | {_LICENCES[_TEACHER]} |")
    return "\n".join(rows)


def _data(report: Report) -> str:
    rows = [("tagger", f"{name}, {posts} posts", "research use") for name, posts in report.data.train.items()]
    rows += [
        ("relation head", f"{name}, {pairs} pairs", "its own") for name, pairs in report.data.pairs.items()
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _table(entities: Mapping[str, EntityScores]) -> str:
    kinds = sorted({kind for scores in entities.values() for kind in scores.conlleval.types})
    rows = [["data", "conlleval", "strict IOB2", *(f"{kind}, conlleval" for kind in kinds)]]
    rows.append(["---"] * len(rows[0]))
    for data, scores in entities.items():
        types = [scores.conlleval.types.get(kind) for kind in kinds]
        rows.append([data, *map(_percent, (scores.conlleval.micro, scores.strict.micro, *types))])
    if len(entities) > 1:
        styles = [[each.conlleval for each in entities.values()], [each.strict for each in entities.values()]]
        means = [f"{100 * fmean(scores.micro.f1 for scores in style):.1f}" for style in styles]
        rows.append(["mean", *means, *[""] * len(kinds)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _percent(score: Score | None) -> str:
    return "-" if score is None else f"{100 * score.f1:.1f}"


def _relation(relation: Mapping[str, RelationScores]) -> str:
    if not relation:
        return "The relation head was not trained."
    lines = [
        f"- {source}: AUC {'-' if scores.auc is None else f'{scores.auc:.3f}'}, accuracy "
        f"{100 * scores.accuracy:.1f} %, over {scores.pairs} pairs, {scores.related} of them related"
        for source, scores in relation.items()
    ]
    return "\n".join(("Relation, on pairs held out of training (AUC 0.5 is chance):", "", *lines))
