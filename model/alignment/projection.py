"""A first guess at the projection: pictures begin among the words of their captions, and [CLS] finds them."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from model.alignment.contrast import CONSE_WEIGHT, Examples, fit
from model.recognition import Recognition
from model.rpbert import RpBert
from model.words import WordPieces

_LEAST_IDF: Final = 0.1


def bags_of_words(embeddings: Tensor, pieces: WordPieces, texts: Sequence[str], captions: int) -> Tensor:
    """Each text as the mean of its word pieces' input embeddings, weighted by inverse document frequency.

    Args:
        embeddings: `(vocabulary, hidden)`.
        pieces: cuts the texts.
        texts: captions first.
        captions: how many of the texts tell how often a piece comes, and what all captions share.

    Returns:
        `(texts, hidden)`.
    """
    cut = {text: torch.from_numpy(pieces.prepare(text).windows[0][1:-1]) for text in dict.fromkeys(texts)}
    known = [cut[text] for text in dict.fromkeys(texts[:captions])]
    counts = Counter(piece for ids in known for piece in set(ids.tolist()))
    frequency = torch.ones(len(embeddings))
    frequency[list(counts)] = torch.tensor(list(counts.values()), dtype=torch.float32)
    idf = (len(known) / frequency).log().clamp_min(_LEAST_IDF)
    centred = embeddings - embeddings[torch.cat(known)].mean(dim=0)
    bags = {text: (idf[ids] @ centred[ids]) / idf[ids].sum() for text, ids in cut.items()}
    return torch.stack([bags[text] for text in texts])


def fit_projection(model: RpBert, pieces: WordPieces, examples: Examples, regions: Tensor, seed: int) -> None:
    """Set the model's projection so that pictures lie by their words, and blocks about as words do.

    Args:
        model: whose `project` is set, and how its `recognition` is widened, if it has one.
        pieces: its word pieces.
        examples: pictures and texts.
        regions: `(pictures, BLOCKS, channels)` of some pictures, for centre and scale.
        seed: of the fit.
    """
    words = model.encoder.embeddings.words.weight.detach().cpu()
    targets = bags_of_words(words, pieces, examples.texts, len(examples.captions))
    recognition = None if model.recognition is None else copy.deepcopy(model.recognition).cpu()
    both = fit(examples, lambda pooled: _beside_names(pooled, recognition), targets, seed).weight
    weight, of_names = both[:, : regions.shape[2]], CONSE_WEIGHT * both[:, regions.shape[2] :]
    blocks = regions.float().flatten(0, 1)
    scale = words.std(dim=0).mean() / (blocks @ weight.T).std(dim=0).mean()
    with torch.no_grad():
        centre = weight @ blocks.mean(dim=0)
        if recognition is not None and model.recognition is not None:
            centre = centre + of_names @ recognition.name(regions.float().mean(dim=1)).mean(dim=0)
            model.recognition.widen.weight.copy_(scale * of_names)
        model.project.weight.copy_(scale * weight)
        model.project.bias.copy_(words.mean(dim=0) - scale * centre)


@torch.no_grad()
def _beside_names(pooled: Tensor, recognition: Recognition | None) -> Tensor:
    if recognition is None:
        return pooled
    return torch.cat((pooled, CONSE_WEIGHT * recognition.name(pooled)), dim=1)
