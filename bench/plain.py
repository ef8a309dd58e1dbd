"""The plain way through the network: what a careful reader of the paper would write first.

The same network and weights in fp32; posts in the order in which they come, in padded batches of 16; the
backbone as torchvision builds it, once for each pass; both passes over every row of every layer; tags by
pytorch-crf's own Viterbi. It gives no posteriors, which ours does.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Final
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.backbone import Backbone
from model.batch import Batch, collate
from model.gates import gate
from model.inference import TagRequest
from model.rpbert import RpBert
from model.unpadded import Unpadded

BATCH: Final = 16


class PlainWay:
    """Tags posts with one picture and one window each."""

    def __init__(self, model: RpBert) -> None:
        """Copy the network as it was loaded, before a `Tagger` prepares it for service."""
        self._model = deepcopy(model)
        self._vision: Backbone = self._model.vision.to(memory_format=torch.contiguous_format)

    @torch.inference_mode()
    def describe(self, pixels: npt.NDArray[np.uint8]) -> Tensor:
        """Block regions, `(n, BLOCKS, channels)`; a post pays for it twice."""
        vision = self._vision
        scaled = (torch.tensor(pixels).permute(0, 3, 1, 2).contiguous().float() - vision.mean) / vision.std
        grid: Tensor = vision.network(scaled)
        return grid.flatten(2).transpose(1, 2)

    @torch.inference_mode()
    def tag(self, requests: Sequence[TagRequest]) -> list[list[int]]:
        """Tag indices of each word of each post, in batches of 16."""
        paths = []
        for first in range(0, len(requests), BATCH):
            chosen = requests[first : first + BATCH]
            batch = collate(
                [request.text for request in chosen],
                [request.pictures for request in chosen],
                channels=self._model.config.vision.channels,
            )
            paths += self._tag(batch)
        return paths

    def _tag(self, batch: Batch) -> list[list[int]]:
        model = self._model
        text, blocks = model._embed(batch)  # noqa: SLF001 - the same embedding, by whatever way it is read
        logits = model.relation(self._read(batch, text, blocks, torch.ones(len(blocks)))[:, 0])
        gates = gate(logits, model.config.gate)
        read = self._read(batch, text, blocks, gates)[:, : text.shape[1]]
        emissions = model._tag(batch, text, read)  # noqa: SLF001
        mask = torch.arange(emissions.shape[1]) < batch.word_counts[:, None]
        paths: list[list[int]] = model.tagger.crf.decode(emissions, mask=mask)
        return paths

    def _read(self, batch: Batch, text: Tensor, blocks: Tensor, gates: Tensor) -> Tensor:
        embedded = self._model.encoder.embeddings.blocks(blocks[:, None], batch.lengths)
        rows = text.shape[1] + blocks.shape[1]
        with patch.object(Unpadded, "of", every_place):
            read: Tensor = self._model.encoder(text, batch.text_mask, embedded, gates[:, None], rows=rows)
        return read


def every_place(present: Tensor) -> Unpadded:
    """In place of `Unpadded.of`: places of padding and of closed pictures are computed as well."""
    n, length = present.shape
    return Unpadded((n, length), None, None)
