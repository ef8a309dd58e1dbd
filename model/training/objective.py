"""Both tasks' losses behind one `forward`, which is where data parallelism takes hold."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.batch import Batch
from model.gates import RELATED
from model.rpbert import RpBert


@dataclass(frozen=True, slots=True)
class Hints:
    """Where a teacher puts the texts and pictures of some pairs, `(pairs, hidden)` each."""

    texts: Tensor
    pictures: Tensor


@dataclass(frozen=True, slots=True)
class RelationBatch:
    """A process's share of a batch of (text, picture) pairs.

    Attributes:
        posts: Each text with its picture; `regions` are pixels, uint8 `(n, 224, 224, 3)`, where the vision is
            trained too.
        targets: `(pairs,)` how far each is related: 1 or 0, or between them where a teacher was asked.
        weight: What the mean over this share counts for, so that the mean over processes is the batch's.
        hints: What pass 1 should come near to on its way, if there is a teacher.
    """

    posts: Batch
    targets: Tensor
    weight: float
    hints: Hints | None = None


@dataclass(frozen=True, slots=True)
class TaggingBatch:
    """A process's share of a batch of posts.

    Attributes:
        posts: As in `RelationBatch`; a post may have no picture.
        tags: `(posts, words)` gold tag indices, 0 behind a post's end.
        weight: As in `RelationBatch`.
    """

    posts: Batch
    tags: Tensor
    weight: float


class Objective(nn.Module):
    """The loss of a batch of either task."""

    def __init__(self, model: RpBert, hint_weight: float) -> None:
        super().__init__()
        self.model = model
        self.hint_weight = hint_weight

    def forward(self, batch: RelationBatch | TaggingBatch) -> Tensor:
        """Cross entropy of the relation with its hints, or negative log likelihood of the tags.

        Returns:
            Mean over the share, weighted by it, `()`.
        """
        device = self.model.project.weight.device
        posts = self._with_regions(batch.posts.to(device))
        match batch:
            case RelationBatch(targets=targets, hints=Hints(texts=texts, pictures=shown)):
                logits, *means = self.model.relate_with_means(posts)
                loss = relation_loss(logits.float(), targets.to(device))
                loss = loss + self.hint_weight * sum(
                    hint_loss(mean.float(), hint.to(device))
                    for mean, hint in zip(means, (texts, shown), strict=True)
                )
            case RelationBatch(targets=targets):
                loss = relation_loss(self.model.relate(posts).float(), targets.to(device))
            case TaggingBatch(tags=tags):
                _, emissions = self.model(posts)
                # The sums of a chain run over many terms: not in half precision.
                with torch.autocast(device.type, enabled=False):
                    loss = self.model.tagging_loss(emissions.float(), tags.to(device), posts.word_counts)
        return loss * batch.weight

    def _with_regions(self, posts: Batch) -> Batch:
        """Run the backbone, once for both passes, where pixels came."""
        if posts.regions.dtype != torch.uint8:
            return posts
        return dataclasses.replace(posts, regions=self.model.vision(posts.regions))


def relation_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy between target and softmax, mean over the pairs; of 1 and 0 it is the paper's.

    Args:
        logits: `(pairs, 2)`.
        targets: `(pairs,)` wanted P(related).
    """
    odds = logits[:, RELATED] - logits[:, 1 - RELATED]
    return functional.binary_cross_entropy_with_logits(odds, targets)


def hint_loss(vectors: Tensor, hints: Tensor) -> Tensor:
    """How far vectors point from their hints: 1 less the cosine, mean over the pairs.

    Args:
        vectors: `(pairs, hidden)`.
        hints: `(pairs, hidden)`.
    """
    return (1 - functional.cosine_similarity(vectors, hints)).mean()
