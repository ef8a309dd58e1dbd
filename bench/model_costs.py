"""What a post costs the network: ours and the plain way side by side, and how far from the limit that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from bench.figures import Figure, Figures, Key, in_turns
from bench.limits import Demand, clock, copy_rate, demand, matrix_rate
from bench.plain import PlainWay
from bench.workload import some_pixels, some_texts
from model.config import BLOCKS, PRESETS
from model.device import DTYPES, pick_dtype
from model.inference import Tagger, TagRequest
from model.release import Release, load_release
from model.rpbert import RpBert
from workers.settings import BatchSettings
from workers.tagger.batcher import Wait, next_batch

_MILLI: Final = 1e3
_MEGA: Final = 1e6
_GIGA: Final = 1e9
_POSTS: Final = "posts/s"
_TIMES: Final = "times"
_CPU: Final = torch.device("cpu")
_AT_ONCE: Final = BatchSettings(batch_wait_ms=0)

PAPER: Final = "paper"
SMALL: Final = "small"
_PLAIN: Final = "plain way"


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of the backbone a picture, and of everything behind it a post."""

    describe: float
    tag: float


@dataclass(frozen=True, slots=True)
class Demands:
    """Of the backbone a picture, and of everything behind it a post."""

    describe: Demand
    tag: Demand


@dataclass(frozen=True, slots=True)
class Waiting:
    """A post as the worker's batcher sees it."""

    request: TagRequest
    enqueued: float = 0.0

    @property
    def tokens(self) -> int:
        """Word pieces and block regions."""
        return self.request.text.length + BLOCKS * len(self.request.pictures)


def seconds(run: Callable[[], object]) -> float:
    """Of one run."""
    now = clock()
    began = now()
    run()
    return now() - began


def in_batches(requests: Sequence[TagRequest], rule: BatchSettings = _AT_ONCE) -> list[list[TagRequest]]:
    """As a worker lays them that has them all waiting: the rule of its batcher."""
    waiting, batches = [Waiting(request) for request in requests], []
    while waiting:
        plan = next_batch(waiting, rule, now=1.0, coming=False)
        if isinstance(plan, Wait):
            raise TypeError("a batcher that need not wait does not")
        batches.append([waiting[index].request for index in plan.members])
        waiting = [each for index, each in enumerate(waiting) if index not in set(plan.members)]
    return batches


def random_release(preset: str, seed: int) -> Release:
    """A preset with random weights and the packaged vocabulary, which is that of BERT-base uncased."""
    torch.manual_seed(seed)
    return Release(preset, "random", RpBert(PRESETS[preset]).eval(), load_release(SMALL).tokenizer)


class Subject:
    """A tagger, its posts in batches, and its pictures."""

    def __init__(self, release: Release, *, posts: int, pictures: int, seed: int, dtype: torch.dtype) -> None:
        self.tagger: Final = Tagger(release, device=_CPU, dtype=dtype)
        self.pixels: Final[npt.NDArray[np.uint8]] = some_pixels(pictures, seed)
        features = self.tagger.describe(self.pixels)
        self.requests: Final = [
            TagRequest(self.tagger.prepare(text), (features[index % pictures],))
            for index, text in enumerate(some_texts(release.tokenizer, posts, seed))
        ]
        self.batches: Final = in_batches(self.requests)

    def tag(self) -> None:
        """All posts."""
        for batch in self.batches:
            self.tagger.tag(batch)

    def describe(self) -> None:
        """All pictures, at once."""
        self.tagger.describe(self.pixels)

    def cost(self) -> Cost:
        """As measured once."""
        return Cost(
            describe=seconds(self.describe) / len(self.pixels), tag=seconds(self.tag) / len(self.requests)
        )

    def demands(self) -> Demands:
        """As counted once."""
        return Demands(
            demand(self.describe) / len(self.pixels),
            demand(self.tag) / len(self.requests),
        )


class Comparison:
    """`paper` plainly, `paper` and `small` as served."""

    def __init__(self, *, posts: int, pictures: int, seed: int) -> None:
        dtype = pick_dtype("auto", _CPU)
        paper = random_release(PAPER, seed)
        self._plain: Final = PlainWay(paper.model)
        self._subjects: Final = {
            release.name: Subject(release, posts=posts, pictures=pictures, seed=seed, dtype=dtype)
            for release in (paper, load_release(SMALL))
        }
        self._paper: Final = self._subjects[PAPER]
        self._demands: dict[str, Demands] = {}
        self.dtype: Final = self._paper.tagger.dtype

    def turn(self) -> Mapping[Key, float]:
        """Everything once; the first time, which warms up, it is counted rather than timed."""
        if not self._demands:
            self._demands[_PLAIN] = Demands(
                demand(self._describe_plainly) / len(self._paper.pixels),
                demand(self._tag_plainly) / len(self._paper.requests),
            )
            self._demands |= {name: subject.demands() for name, subject in self._subjects.items()}
            return {}
        matrix = {name: matrix_rate(dtype) for name, dtype in DTYPES.items()}
        plain = Cost(
            describe=2 * seconds(self._describe_plainly) / len(self._paper.pixels),
            tag=seconds(self._tag_plainly) / len(self._paper.requests),
        )
        found: dict[Key, float] = {
            **{(f"matrix rate, {name}", "GFLOP/s"): rate / _GIGA for name, rate in matrix.items()},
            ("copy rate", "GB/s"): copy_rate() / _GIGA,
            (f"{_PLAIN}, not cached", _POSTS): 1 / (plain.describe + plain.tag),
            (f"{_PLAIN}: backbone twice", "ms a post"): _MILLI * plain.describe,
            (f"{_PLAIN}: the rest", "ms a post"): _MILLI * plain.tag,
        }
        for name, subject in self._subjects.items():
            found |= self._compared(name, subject, plain, matrix)
        return found

    def counts(self) -> list[Figure]:
        """What is counted rather than measured; of `turn`'s first time."""
        plainly = self._demands[_PLAIN]
        plain = 2 * plainly.describe.flop + plainly.tag.flop
        counted: dict[Key, float] = {}
        for name, asked in self._demands.items():
            backbone = f"{name}: backbone, once"
            counted[(backbone, "GFLOP a post")] = asked.describe.flop / _GIGA
            counted[(f"{name}: the rest", "GFLOP a post")] = asked.tag.flop / _GIGA
            counted[(backbone, "MB a post")] = asked.describe.bytes / _MEGA
            counted[(f"{name}: the rest", "MB a post")] = asked.tag.bytes / _MEGA
        for name in self._subjects:
            asked = self._demands[name]
            counted[(f"FLOP of the plain way / {name}, not cached", _TIMES)] = plain / (
                asked.describe.flop + asked.tag.flop
            )
            counted[(f"FLOP of the plain way / {name}, cached", _TIMES)] = plain / asked.tag.flop
        return [Figure.of(key, [value]) for key, value in counted.items()]

    def _compared(
        self, name: str, subject: Subject, plain: Cost, matrix: Mapping[str, float]
    ) -> dict[Key, float]:
        cost, asked = subject.cost(), self._demands[name]
        fresh, plainly = cost.describe + cost.tag, plain.describe + plain.tag
        return {
            (f"{name}, not cached", _POSTS): 1 / fresh,
            (f"{name}, cached", _POSTS): 1 / cost.tag,
            (f"{name}, not cached / plain way", _TIMES): plainly / fresh,
            (f"{name}, cached / plain way", _TIMES): plainly / cost.tag,
            (f"{name}: backbone", "ms a post"): _MILLI * cost.describe,
            (f"{name}: the rest", "ms a post"): _MILLI * cost.tag,
            (f"{name}: backbone, share of the matrix rate", "%"): _share(
                asked.describe, cost.describe, matrix[subject.tagger.vision_dtype]
            ),
            (f"{name}: the rest, share of the matrix rate", "%"): _share(
                asked.tag, cost.tag, matrix[self.dtype]
            ),
        }

    def _describe_plainly(self) -> None:
        self._plain.describe(self._paper.pixels)

    def _tag_plainly(self) -> None:
        self._plain.tag(self._paper.requests)


def _share(asked: Demand, took: float, matrix: float) -> float:
    return 100 * asked.flop / took / matrix


def measure(*, posts: int, pictures: int, turns: int, seed: int) -> Figures:
    """`paper` and `small` against the plain way, and what bounds them."""
    began = perf_counter()
    comparison = Comparison(posts=posts, pictures=pictures, seed=seed)
    return Figures(
        bench="model",
        release=f"{PAPER} with random weights, {SMALL}",
        dtype=comparison.dtype,
        settings={
            "posts": posts,
            "pictures": pictures,
            "turns": turns,
            "threads": torch.get_num_threads(),
            "seed": seed,
        },
        figures=[*in_turns([comparison.turn], turns), *comparison.counts()],
        seconds=perf_counter() - began,
    )
