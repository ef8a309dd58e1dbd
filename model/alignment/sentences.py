"""Sentence vectors of all-MiniLM (Reimers and Gurevych 2019), whatever the preset."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Final

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from model import pretrained
from model.config import BLOCKS
from model.encoder import Encoder

_BATCH: Final = 64
_LONGEST: Final = 128
"""Word pieces of a text that are read; captions and glosses are far shorter."""


class SentenceVectors:
    """Vectors of texts, each text read once.

    On the CPU and in fp32, so that every process of a run, and a resumed run, has the same.
    """

    def __init__(self) -> None:
        self._vectors: dict[str, Tensor] = {}

    def of(self, texts: Sequence[str]) -> Tensor:
        """Normalised vectors, `(texts, 384)`.

        Raises:
            WeightsError: all-MiniLM can't be had.
        """
        # Of like lengths together: most of a mixed batch is padding.
        fresh = sorted(set(texts) - self._vectors.keys(), key=lambda text: (len(text), text))
        for first in range(0, len(fresh), _BATCH):
            batch = fresh[first : first + _BATCH]
            self._vectors.update(zip(batch, self._read(batch), strict=True))
        return torch.stack([self._vectors[text] for text in texts])

    @cached_property
    def _reader(self) -> tuple[Encoder, Tokenizer]:
        encoder, tokenizer = pretrained.sentence_encoder()
        tokenizer.enable_truncation(_LONGEST)
        tokenizer.enable_padding()
        return encoder.eval(), tokenizer

    @torch.no_grad()
    def _read(self, texts: Sequence[str]) -> Tensor:
        encoder, tokenizer = self._reader
        encodings = tokenizer.encode_batch(list(texts))
        ids = torch.tensor([each.ids for each in encodings])
        mask = torch.tensor([each.attention_mask for each in encodings], dtype=torch.bool)
        text = encoder.embeddings.text(ids)
        nothing = text.new_zeros(len(ids), 0, BLOCKS, text.shape[2])
        read = encoder(text, mask, nothing, nothing[:, :, 0, 0], rows=ids.shape[1])
        return functional.normalize((read * mask[..., None]).sum(dim=1), dim=-1)
