"""The model card of a release that `model.training` made."""

from __future__ import annotations

from collections.abc import Mapping

from model.evaluation import EntityScores

_TEMPLATE = """\
---
license: apache-2.0
language: en
library_name: rpbert-stream
pipeline_tag: token-classification
tags: [named-entity-recognition, multimodal, social-media]
base_model: {base}
---
# RpBERT `{name}` {version}

Finds people, places, organisations and other names in a post of text and up to four pictures, and says of
each picture whether it is related to the text. The network is that of RpBERT (Sun et al., AAAI 2021,
arXiv 2102.02967): one BERT read twice, a relation gate on 49 block regions a picture, a biLSTM-CRF.

## What it was made from

| part | from | licence |
| --- | --- | --- |
| encoder | {base} | Apache-2.0 |
| vision backbone, frozen | {backbone}, ImageNet | {backbone_licence} |
| tagger | Twitter-2015 and Twitter-2017 text, train splits; the posts are their authors' and are not here | \
research use |
| relation head | pictures and captions of Debian's tuxpaint-stamps-default, not redistributed | GPL-2 |

## Recipe

```
{command}
```

## Figures

Measured on this release as it is stored (matrices in half precision), text only, one seed, on the
development splits that also chose the epoch. Micro F1 over entities.

{entities}

{relation}

## Limits

- English; an uncased vocabulary of 2019. Other scripts are cut rightly and seldom understood.
- The relation head is a first version. It has seen some hundreds of clip-art and photo cut-outs with plain
  captions and no post: on photographs beside tweets its score is a hint and is not measured.
- Trained without the pictures of the posts, so a picture adds nothing to the entities yet: what was
  trained is that an open gate does little harm. The gate is hard: a picture judged unrelated leaves the
  tags exactly as they are without it.
- Entity scores are the CRF's own posteriors, not calibrated.
"""

_BACKBONE_LICENCES = {"efficientnet_lite0": "Apache-2.0", "resnet152": "BSD-3-Clause"}


def write(
    *,
    name: str,
    version: str,
    base: str,
    backbone: str,
    command: str,
    entities: Mapping[str, EntityScores],
    auc: float | None,
) -> str:
    """The card's text.

    Args:
        name: the release's name.
        version: its version.
        base: the encoder it started from.
        backbone: its vision backbone.
        command: what trained it.
        entities: scores by data set.
        auc: area under the ROC curve of the relation score on held-out concepts.
    """
    return _TEMPLATE.format(
        name=name,
        version=version,
        base=base,
        backbone=backbone,
        backbone_licence=_BACKBONE_LICENCES[backbone],
        command=command,
        entities=_table(entities),
        relation=_relation(auc),
    )


def _table(entities: Mapping[str, EntityScores]) -> str:
    kinds = sorted({kind for scores in entities.values() for kind in scores.conlleval.types})
    head = ["data", "conlleval", "strict IOB2", *(f"{kind}, conlleval" for kind in kinds)]
    rows = [head, ["---"] * len(head)]
    for data, scores in entities.items():
        types = [scores.conlleval.types[kind].f1 for kind in kinds]
        figures = (scores.conlleval.micro.f1, scores.strict.micro.f1, *types)
        rows.append([data, *(f"{100 * figure:.1f}" for figure in figures)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _relation(auc: float | None) -> str:
    if auc is None:
        return "The relation head was not trained."
    return (
        f"Relation: AUC {auc:.3f} (0.5 is chance), a picture's own caption against captions of other\n"
        "concepts, on the quarter of the concepts that was held out of training."
    )
