"""`rpbert bench padding`: how much of what is computed is padding, by the batcher's rule and others.

Counted, not timed: the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated, Final

import numpy as np
from cyclopts import Parameter, validators

from bench.figures import RESULTS, Figure, Figures, Key
from bench.plot import bars
from bench.workload import LENGTHS, SHORTEST
from model.config import BLOCKS
from workers.settings import BatchSettings
from workers.tagger.batcher import Batch, next_batch

_PADDING: Final = "% padding"
_BESIDE: Final = "% padding and starts"

_Count = Annotated[int, Parameter(validator=validators.Number(gte=1))]


@dataclass(frozen=True, slots=True)
class Post:
    """What the rule sees of a waiting post."""

    tokens: int
    enqueued: float = 0.0


Rule = Callable[[Sequence[Post], BatchSettings], Sequence[int]]
"""Positions of the posts that leave next; the first is the oldest."""


def served(waiting: Sequence[Post], rule: BatchSettings) -> Sequence[int]:
    """The batcher's own rule."""
    plan = next_batch(waiting, rule, now=0.0, coming=False)
    if not isinstance(plan, Batch):
        raise TypeError("a batcher to which nobody comes does not wait")
    return plan.members


def arrival(waiting: Sequence[Post], rule: BatchSettings) -> Sequence[int]:
    """The first that came, as many as fit."""
    chosen = 1
    while chosen < min(len(waiting), rule.batch_posts) and _fits(waiting[: chosen + 1], rule):
        chosen += 1
    return range(chosen)


def nearest(waiting: Sequence[Post], rule: BatchSettings) -> Sequence[int]:
    """The nearest in length around the oldest, as many as fit: the batcher's rule before."""
    by_length = sorted(range(len(waiting)), key=lambda index: waiting[index].tokens)
    here = waiting[0].tokens
    first = by_length.index(0)
    last = first + 1
    while last - first < rule.batch_posts:
        wider = [(low, high) for low, high in ((first - 1, last), (first, last + 1)) if low >= 0]
        wider = [
            (low, high)
            for low, high in wider
            if high <= len(by_length) and _fits([waiting[index] for index in by_length[low:high]], rule)
        ]
        if not wider:
            break
        first, last = min(
            wider,
            key=lambda ends: abs(
                here - waiting[by_length[ends[0] if ends[0] < first else ends[1] - 1]].tokens
            ),
        )
    return by_length[first:last]


def _fits(posts: Sequence[Post], rule: BatchSettings) -> bool:
    return max(post.tokens for post in posts) * len(posts) <= rule.batch_tokens


RULES: Final[dict[str, Rule]] = {
    "order of arrival": arrival,
    "nearest around the oldest": nearest,
    "cheapest around the oldest, as served": served,
}


def some_posts(count: int, pictures: int, seed: int) -> list[Post]:
    """Posts as long as Twitter-2017's, with so many pictures each."""
    random = np.random.default_rng(seed)
    lengths = SHORTEST + random.choice(len(LENGTHS), size=count, p=np.array(LENGTHS) / sum(LENGTHS))
    return [Post(int(length) + pictures * BLOCKS) for length in lengths]


@dataclass(frozen=True, slots=True)
class Paid:
    """What batches came to.

    Attributes:
        padding: rows that were computed for nobody, by the rows that there are.
        beside: the same with `batch_start_tokens` for each batch.
        batches: how many batches.
        longest_wait: the most batches that left between a post's arrival and its own batch.
    """

    padding: float
    beside: float
    batches: int
    longest_wait: int


def paid(choose: Rule, posts: Sequence[Post], rule: BatchSettings, *, queue: int) -> Paid:
    """Pass posts through a queue that is kept at its length as long as there are posts."""
    coming, waiting, since = iter(posts), list[Post](), list[int]()
    computed = batches = longest = 0
    while True:
        for post in coming:
            waiting.append(post)
            since.append(batches)
            if len(waiting) == queue:
                break
        if not waiting:
            break
        members = set(choose(waiting, rule))
        computed += max(waiting[index].tokens for index in members) * len(members)
        longest = max(longest, *(batches - since[index] for index in members))
        batches += 1
        waiting, since = (
            [each for index, each in enumerate(waiting) if index not in members],
            [each for index, each in enumerate(since) if index not in members],
        )
    tokens = sum(post.tokens for post in posts)
    beside = computed - tokens + batches * rule.batch_start_tokens
    return Paid(computed / tokens - 1, beside / tokens, batches, longest)


def padding(*, posts: _Count = 20_000, seed: int = 1, output: Path = RESULTS, json: bool = False) -> None:
    """How much padding is computed: the batcher's rule, the one before it, and the order of arrival.

    A queue of 150 posts is emptied, and queues of 64, 150 and 512 posts are kept full, each with one picture
    a post and with none. Writes `padding.json`, `padding.md` and `padding.svg`.

    Args:
        posts: that pass through each queue.
        seed: of their lengths.
        output: directory of the results.
        json: print the figures as one JSON object, that of the file, instead of a table.
    """
    began = perf_counter()
    rule, values = BatchSettings(), dict[Key, list[float]]()
    for pictures, what in ((1, "a picture each"), (0, "text alone")):
        drawn = some_posts(posts, pictures, seed)
        for name, choose in RULES.items():
            emptied = [
                paid(choose, drawn[first : first + 150], rule, queue=150)
                for first in range(0, len(drawn) - 149, 150)
            ]
            key = f"150 posts, {what}: {name}"
            values[key, _PADDING] = [100 * run.padding for run in emptied]
            values[key, _BESIDE] = [100 * run.beside for run in emptied]
            for queue in (64, 150, 512):
                run = paid(choose, drawn, rule, queue=queue)
                key = f"queue of {queue}, {what}: {name}"
                values[key, _PADDING] = [100 * run.padding]
                values[key, _BESIDE] = [100 * run.beside]
                values[key, "posts a batch"] = [len(drawn) / run.batches]
                values[key, "batches waited at most"] = [run.longest_wait]
    Figures(
        bench="padding",
        release="none: lengths alone",
        dtype="none",
        settings={
            "posts": posts,
            "seed": seed,
            "batch_posts": rule.batch_posts,
            "batch_tokens": rule.batch_tokens,
        },
        figures=[Figure.of(key, found) for key, found in values.items()],
        seconds=perf_counter() - began,
    ).write(output, as_json=json, plot=lambda written, path: bars(written, _PADDING, path))
