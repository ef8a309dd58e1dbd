"""Each optimisation of the network taken out, one at a time: what it gains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from time import perf_counter
from typing import Final
from unittest.mock import patch

import torch
from torch import Tensor, nn

from bench.figures import Figures, Key, Run, in_turns
from bench.model_costs import PAPER, SMALL, Subject, in_batches, random_release, seconds
from bench.plain import BATCH
from model.encoder import Encoder
from model.inference import Tagger, TagRequest
from model.release import Release, load_release
from model.rpbert import RpBert
from workers.settings import BatchSettings

_MILLI: Final = 1e3
_CPU: Final = torch.device("cpu")


class AllRows(nn.Module):
    """An encoder whose last layer computes every row, whatever is asked for."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self._encoder = encoder
        self.embeddings = encoder.embeddings

    def forward(self, text: Tensor, text_mask: Tensor, blocks: Tensor, gates: Tensor, rows: int) -> Tensor:
        """As `Encoder.forward`."""
        everything = text.shape[1] + blocks.shape[1] * blocks.shape[2]
        read: Tensor = self._encoder(text, text_mask, blocks, gates, rows=everything)
        return read[:, :rows]


class Variants:
    """A release as served, and with one thing otherwise each time."""

    def __init__(self, release: Release, *, posts: int, pictures: int, seed: int) -> None:
        self._name: Final = release.name
        self._unfolded: Final = deepcopy(release.model.vision)
        plain = deepcopy(release)
        self._served: Final = Subject(release, posts=posts, pictures=pictures, seed=seed, dtype=torch.float32)
        self._bf16: Final = Tagger(plain, device=_CPU, dtype=torch.bfloat16)
        self._arrival: Final = [
            self._served.requests[first : first + len(batch)]
            for first, batch in zip(_starts(self._served.batches), self._served.batches, strict=True)
        ]
        self._sixteen: Final = in_batches(
            self._served.requests, BatchSettings(batch_posts=BATCH, batch_wait_ms=0)
        )

    def runs(self) -> list[Run]:
        """As served first."""
        served, model = self._served, self._served.tagger._model  # noqa: SLF001 - parts of it are taken out
        text_only = in_batches([TagRequest(request.text) for request in served.requests])
        encoder = model.encoder
        backbone: dict[str, Callable[[], None]] = {
            "backbone, as served": served.describe,
            "backbone, norms not folded": self._with(model, "vision", self._unfolded, served.describe),
            "backbone, in bf16": lambda: _ignore(self._bf16.describe(served.pixels)),
        }
        rest: dict[str, Callable[[], None]] = {
            "the rest, as served": served.tag,
            "the rest, in the order of arrival": lambda: self._tag(self._arrival),
            f"the rest, in batches of {BATCH}": lambda: self._tag(self._sixteen),
            "the rest, all rows in the last layer": self._with(
                model, "encoder", AllRows(encoder), served.tag
            ),
            "the rest, in bf16": lambda: self._tag(served.batches, self._bf16),
            "the rest, of posts without pictures": lambda: self._tag(text_only),
        }
        if self._name == SMALL:
            rest["the rest, each post read twice"] = self._read_twice
        return [
            *(self._run(name, act, len(served.pixels)) for name, act in backbone.items()),
            *(self._run(name, act, len(served.requests)) for name, act in rest.items()),
        ]

    def _run(self, name: str, act: Callable[[], None], count: int) -> Run:
        def run() -> Mapping[Key, float]:
            return {(f"{self._name}: {name}", "ms a post"): _MILLI * seconds(act) / count}

        return run

    def _tag(self, batches: list[list[TagRequest]], tagger: Tagger | None = None) -> None:
        for batch in batches:
            (tagger or self._served.tagger).tag(batch)

    def _with(self, model: RpBert, name: str, part: nn.Module, act: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            kept = getattr(model, name)
            setattr(model, name, part)
            try:
                act()
            finally:
                setattr(model, name, kept)

        return run

    def _read_twice(self) -> None:
        with patch.object(RpBert, "_may_read_once", new=False):
            self._served.tag()


def _starts(batches: list[list[TagRequest]]) -> list[int]:
    lengths = [len(batch) for batch in batches]
    return [sum(lengths[:index]) for index in range(len(lengths))]


def _ignore(_: object) -> None:
    return None


def measure_tried(preset: str, *, posts: int, pictures: int, turns: int, seed: int) -> Figures:
    """A preset as served, and with one optimisation less each time."""
    began = perf_counter()
    release = random_release(PAPER, seed) if preset == PAPER else load_release(SMALL)
    runs = Variants(release, posts=posts, pictures=pictures, seed=seed).runs()
    return Figures(
        bench=f"model_tried_{preset}",
        release=f"{release.name}/{release.version}",
        dtype="float32",
        settings={
            "posts": posts,
            "pictures": pictures,
            "turns": turns,
            "threads": torch.get_num_threads(),
            "seed": seed,
        },
        figures=in_turns(runs, turns),
        seconds=perf_counter() - began,
    )
