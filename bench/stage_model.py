"""What each stage of the model costs a post, in CPU time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import process_time
from typing import Final

import torch

from bench.figures import Key
from model.batch import collate
from model.inference import Tagger, TagRequest

_UNIT: Final = "us a post"


class ModelStages:
    """A tagger and batches of posts with one picture each, whose features are at hand."""

    def __init__(self, tagger: Tagger, requests: Sequence[TagRequest], batch: int) -> None:
        by_length = sorted(requests, key=lambda request: request.text.length)
        self._batches = [by_length[first : first + batch] for first in range(0, len(by_length), batch)]
        self._tagger, self._posts = tagger, len(by_length)

    @torch.inference_mode()
    def run(self) -> Mapping[Key, float]:
        """By subtraction: pass 2 is the network less pass 1 and the tagger's scores.

        Where gates are hard, pass 1 reads the rows that pass 2 would read again: pass 2 is then what those
        rows cost, and the reading of posts whose picture is shut out.
        """
        network = self._tagger._model  # noqa: SLF001 - its parts are what is timed
        channels = self._tagger.feature_channels
        texts = [
            ([each.text for each in batch], [each.pictures for each in batch]) for batch in self._batches
        ]
        copied = [collate(text, pictures, channels=channels) for text, pictures in texts]
        embedded = [network._embed(batch)[0] for batch in copied]  # noqa: SLF001
        scored = [network(batch)[1] for batch in copied]
        copy = self._spent(lambda: [collate(*each, channels=channels) for each in texts])
        first = self._spent(lambda: [network.relate(batch) for batch in copied])
        whole = self._spent(lambda: [network(batch) for batch in copied])
        scores = self._spent(
            lambda: [
                network._tag(batch, text, text)  # noqa: SLF001 - as wide as what pass 2 has read
                for batch, text in zip(copied, embedded, strict=True)
            ]
        )
        path = self._spent(
            lambda: [
                self._tagger._entities(text, emissions, batch)  # noqa: SLF001
                for (text, _), emissions, batch in zip(texts, scored, copied, strict=True)
            ]
        )
        return {
            ("copy", _UNIT): copy,
            ("pass 1", _UNIT): first,
            ("pass 2", _UNIT): whole - first - scores,
            ("tagger: scores", _UNIT): scores,
            ("tagger: path and posteriors", _UNIT): path,
        }

    def _spent(self, work: Callable[[], object]) -> float:
        began = process_time()
        work()
        return (process_time() - began) / self._posts * 1e6
