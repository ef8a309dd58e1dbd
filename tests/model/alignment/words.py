"""Sentence vectors without a network: texts with words in common are alike."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from model.alignment.sentences import SentenceVectors

WIDTH = 64


class BagsOfWords(SentenceVectors):
    def _read(self, texts: Sequence[str]) -> Tensor:
        words = [torch.stack([_vector(word) for word in text.lower().split()]) for text in texts]
        return functional.normalize(torch.stack([each.sum(dim=0) for each in words]), dim=-1)


def _vector(word: str) -> Tensor:
    generator = torch.Generator().manual_seed(zlib.crc32(word.encode()))
    return torch.randn(WIDTH, generator=generator)
