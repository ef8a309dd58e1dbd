"""Each optimisation of the network taken out, one at a time: what it gains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import partial
from time import perf_counter
from typing import Final
from unittest.mock import patch

import torch
from torch import Tensor, nn

from bench.figures import Figures, Key, Run, in_turns
from bench.model_costs import PAPER, SMALL, Subject, in_batches, random_release, seconds
from bench.plain import BATCH, every_place
from model.backbone import Backbone
from model.device import DTYPES, pick_dtype
from model.encoder import Encoder
from model.inference import Tagger, TagRequest
from model.release import Release, load_release
from model.rpbert import RpBert
from model.unpadded import Unpadded
from workers.settings import BatchSettings

_MILLI: Final = 1e3
_CPU: Final = torch.device("cpu")


class AllRows(nn.Module):
    """An encoder whose last layer computes every row, whatever is asked for."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self._encoder = encoder
        self.embeddings = encoder.embeddings

    def forward(
        self, text: Tensor, text_mask: Tensor, blocks: Tensor, gates: Tensor, rows: int, *, fade: bool = False
    ) -> Tensor:
        """As `Encoder.forward`."""
        everything = text.shape[1] + blocks.shape[1] * blocks.shape[2]
        read: Tensor = self._encoder(text, text_mask, blocks, gates, rows=everything, fade=fade)
        return read[:, :rows]


class Variants:
    """A release as served, and with one thing otherwise each time."""

    def __init__(self, release: Release, *, posts: int, pictures: int, seed: int) -> None:
        self._name: Final = release.name
        self._backbones: Final = _backbones(release.model.vision)
        with patch("model.inference.can_pack", return_value=False):
            self._unpacked: Final = {
                name: Tagger(deepcopy(release), device=_CPU, dtype=dtype) for name, dtype in DTYPES.items()
            }
        self._served: Final = Subject(
            release, posts=posts, pictures=pictures, seed=seed, dtype=pick_dtype("auto", _CPU)
        )
        self.dtype: Final = self._served.tagger.dtype
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
        backbone: dict[str, Callable[[], None]] = {
            "backbone, as served": served.describe,
            **{
                f"backbone, {name}": self._with(model, "vision", vision, served.describe)
                for name, vision in self._backbones.items()
            },
        }
        rest: dict[str, Callable[[], None]] = {
            "the rest, as served": served.tag,
            **{
                f"the rest, not packed, in {name}": partial(self._tag, served.batches, tagger)
                for name, tagger in self._unpacked.items()
            },
            "the rest, in the order of arrival": partial(self._tag, self._arrival),
            f"the rest, in batches of {BATCH}": partial(self._tag, self._sixteen),
            "the rest, all rows in the last layer": self._with(
                model, "encoder", AllRows(model.encoder), served.tag
            ),
            "the rest, padding too": self._padded,
            "the rest, of posts without pictures": partial(self._tag, text_only),
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

    def _padded(self) -> None:
        with patch.object(Unpadded, "of", every_place):
            self._served.tag()

    def _read_twice(self) -> None:
        with patch.object(RpBert, "_may_read_once", new=False):
            self._served.tag()


def _starts(batches: list[list[TagRequest]]) -> list[int]:
    lengths = [len(batch) for batch in batches]
    return [sum(lengths[:index]) for index in range(len(lengths))]


def _backbones(vision: Backbone) -> dict[str, Backbone]:
    unfolded, unpacked, bf16, packed_bf16 = (deepcopy(vision).eval() for _ in range(4))
    for folded in (unpacked, bf16, packed_bf16):
        folded.fold_norms()
    bf16.use_products_in(torch.bfloat16)
    packed_bf16.use_products_in(torch.bfloat16)
    packed_bf16.pack()
    return {
        "norms not folded, not packed": unfolded,
        "not packed": unpacked,
        "not packed, in bfloat16": bf16,
        "in bfloat16": packed_bf16,
    }


def measure_tried(preset: str, *, posts: int, pictures: int, turns: int, seed: int) -> Figures:
    """A preset as served, and with one optimisation less each time."""
    began = perf_counter()
    release = random_release(PAPER, seed) if preset == PAPER else load_release(SMALL)
    variants = Variants(release, posts=posts, pictures=pictures, seed=seed)
    return Figures(
        bench=f"model_tried_{preset}",
        release=f"{release.name}/{release.version}",
        dtype=variants.dtype,
        settings={
            "posts": posts,
            "pictures": pictures,
            "turns": turns,
            "threads": torch.get_num_threads(),
            "seed": seed,
        },
        figures=in_turns(variants.runs(), turns),
        seconds=perf_counter() - began,
    )
