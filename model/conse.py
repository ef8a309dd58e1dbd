"""A first guess at the projection: each block as the names of what an ImageNet classifier sees in it.

After ConSE (Norouzi et al. 2014), at the encoder's input and linear: a block becomes the sum of the class
names' word embeddings, weighted by the class scores. Pictures then begin in the space of words, and [CLS]
finds them sooner.
"""

from __future__ import annotations

from typing import Final

import torch
from timm.data.imagenet_info import ImageNetInfo
from tokenizers import Tokenizer
from torch import Tensor

from model.rpbert import RpBert

_CLASSES: Final = 1000


def class_names() -> list[str]:
    """What ImageNet's 1000 classes are called."""
    info = ImageNetInfo()
    return [str(info.index_to_description(index)) for index in range(_CLASSES)]


def name_embeddings(model: RpBert, tokenizer: Tokenizer, names: list[str]) -> Tensor:
    """Mean word embedding of each name's pieces, `(names, hidden)`."""
    words = model.encoder.embeddings.words.weight.detach()
    return torch.stack(
        [words[tokenizer.encode(name, add_special_tokens=False).ids].mean(dim=0) for name in names]
    )


@torch.no_grad()
def fit_projection(model: RpBert, tokenizer: Tokenizer, regions: Tensor, classifier: Tensor) -> None:
    """Set the model's projection so that blocks lie about as word embeddings do.

    Args:
        model: whose `project` is set.
        tokenizer: for the names.
        regions: `(pictures, BLOCKS, channels)` of some pictures, for centre and scale.
        classifier: `(1000, channels)` weight of the backbone's ImageNet classifier; its bias would fall
            to the centring.
    """
    words = model.encoder.embeddings.words.weight
    names = name_embeddings(model, tokenizer, class_names())
    # What all classes share says nothing about a block.
    projection = (names - names.mean(dim=0)).T @ classifier
    blocks = regions.float().flatten(0, 1)
    scale = words.std(dim=0).mean() / (blocks @ projection.T).std(dim=0).mean()
    model.project.weight.copy_(scale * projection)
    model.project.bias.copy_(words.mean(dim=0) - scale * projection @ blocks.mean(dim=0))
