"""Workers whose model is a stand-in: `python -m bench.stand_ins none|SECONDS FLAGS...`.

Each is the whole `rpbert worker`, a real release's tokenizer included, but for the network. `none` computes
nothing, so that what lies around the network shows; a number of seconds is slept for each post instead of
computing, so that several workers don't share the machine's cores.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from time import sleep
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from model.config import BLOCKS
from model.inference import PreparedText, Tagger, Tagging, TagRequest
from schemas import Entity, EntityType
from workers import cli
from workers.tagger import process
from workers.tagger.pictures.picture import Features

# What children of the worker find the first argument by: theirs is that of `rpbert`.
_SECONDS: Final = "BENCH_STAND_IN_SECONDS"
_RELATED: Final = 0.5
# As many entities as a tweet of Twitter-2017 has, rounded up.
_ENTITIES: Final = 2


class NoNetwork:
    """A release that answers without looking: the first words of each text are its entities."""

    def __init__(self, release: Tagger, seconds: float = 0.0) -> None:
        """Take the release whose tokenizer and name are used.

        Args:
            release: a loaded release.
            seconds: to sleep for each post.
        """
        self._release = release
        self._seconds = seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._release, name)

    @property
    def backbone_digest(self) -> str:
        """Of no backbone: in a Redis that others use too, zeros must not pass for a real one's features."""
        return f"{self._release.backbone_digest}-no-network"

    def describe(self, pixels: npt.NDArray[np.uint8]) -> Features:
        """Zeros: `(n, 224, 224, 3)` to `(n, 49, channels)`."""
        return np.zeros((len(pixels), BLOCKS, self._release.feature_channels), np.float16)

    def tag(self, requests: Sequence[TagRequest]) -> list[Tagging]:
        """As many out as in."""
        if self._seconds:
            sleep(self._seconds * len(requests))
        return [
            Tagging(_first_words(request.text), (_RELATED,) * len(request.pictures)) for request in requests
        ]

    def rehearse(self, *, posts: int, tokens: int) -> None:
        """Nothing to warm."""

    def warm_up(self) -> None:
        """Nothing to warm."""


def _first_words(text: PreparedText) -> tuple[Entity, ...]:
    return tuple(
        Entity(type=EntityType.MISC, text=word.text, start=word.start, end=word.end, score=_RELATED)
        for word in text.words[:_ENTITIES]
    )


def program(seconds: float | None = None) -> tuple[str, ...]:
    """What runs as a worker in its place (see `WorkerProcess`).

    Args:
        seconds: to sleep for each post; None for no engine at all.
    """
    return (sys.executable, "-m", "bench.stand_ins", "none" if seconds is None else str(seconds))


def _stand_in() -> None:
    seconds = float(os.environ[_SECONDS])
    load: Any = process.load_tagger

    def load_stand_in(*arguments: Any, **options: Any) -> NoNetwork:
        return NoNetwork(load(*arguments, **options), seconds)

    process.load_tagger = load_stand_in  # type: ignore[assignment]


# Also in the processes of `--processes`, which multiprocessing starts with this file as `__mp_main__`.
if __name__ == "__main__":
    os.environ[_SECONDS] = "0" if sys.argv[1] == "none" else sys.argv[1]
    sys.argv[1] = "worker"
if __name__ in ("__main__", "__mp_main__"):
    _stand_in()
if __name__ == "__main__":
    cli.main()
