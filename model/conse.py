"""A first guess at the projection: each block as the names of what an ImageNet classifier sees in it.

After ConSE (Norouzi et al. 2014), at the encoder's input: a block's classes, weighted by their probability,
give the mean of their names' word embeddings. One linear layer is fitted to that in closed form, so that
pictures begin in the space of words and [CLS] finds them sooner.
"""

from __future__ import annotations

from typing import Final

import torch
from timm.data.imagenet_info import ImageNetInfo
from tokenizers import Tokenizer
from torch import Tensor

from model.rpbert import RpBert

_CLASSES: Final = 1000
_RIDGE: Final = 1e-2


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
def fit_projection(
    model: RpBert, tokenizer: Tokenizer, regions: Tensor, classifier: tuple[Tensor, Tensor]
) -> None:
    """Set the model's projection by ridge regression.

    Args:
        model: whose `project` is set.
        tokenizer: for the names.
        regions: `(pictures, BLOCKS, channels)` of some pictures.
        classifier: weight `(1000, channels)` and bias `(1000,)` of the backbone's ImageNet classifier.
    """
    weight, bias = classifier
    blocks = regions.float().flatten(0, 1)
    names = name_embeddings(model, tokenizer, class_names())
    wanted = (blocks @ weight.T + bias).softmax(dim=-1) @ names
    centre, middle = blocks.mean(dim=0), wanted.mean(dim=0)
    around = blocks - centre
    gram = around.T @ around
    gram.diagonal().add_(_RIDGE * gram.diagonal().mean())
    fitted = torch.linalg.solve(gram, around.T @ (wanted - middle))
    model.project.weight.copy_(fitted.T)
    model.project.bias.copy_(middle - centre @ fitted)
