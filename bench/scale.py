"""Do more workers do more? 1, 2 and 4 over 12 partitions, with an engine that sleeps instead of computing.

Asleep they don't share the machine's cores, so what shows is whether the workers hold each other up: in the
group, in the broker, in their transactions. Each also tells its memory and how long it took to be ready.
Beside it, what a post costs the model by the length of its text and by how many pictures it has.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Final

import psutil

from bench.figures import RESULTS, Figure, Figures, Key, in_turns, progress
from bench.flow import Flow, flow, pace, watch
from bench.plot import bars
from bench.post_costs import LengthsAndPictures
from bench.posts import Posts
from bench.stand_ins import program
from workers.local.kafka import KafkaCluster
from workers.local.valkey import ValkeyServer

_MEGABYTE: Final = 1_000_000
_RATE: Final = "posts/s"
# 20 ms a post, and batches of 8 at most: a batch is then a small part of what is watched.
_SMALL_BATCHES: Final = ("--batch-posts", "8")


def scale(
    *,
    workers: tuple[int, ...] = (1, 2, 4),
    asleep_ms: float = 20,
    posts: int = 500,
    turns: int = 2,
    output: Path = RESULTS,
    json: bool = False,
) -> None:
    """1, 2 and 4 workers over 12 partitions, with an engine that sleeps; about three minutes.

    Also what a post costs the model by the length of its text and by its pictures. Writes `scale.json`,
    `scale.md` and `scale.svg`.

    Args:
        workers: how many, one figure for each.
        asleep_ms: for each post, in place of the model.
        posts: of each worker in a turn.
        turns: of each number of workers, each with topics of its own.
        output: directory of the figures.
        json: print the figures as one JSON object, that of the file, instead of a table.
    """
    began = perf_counter()
    values: dict[Key, list[float]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rpbert-scale-")))
        kafka, valkey = stack.enter_context(KafkaCluster()), stack.enter_context(ValkeyServer())
        for turn in range(1, turns + 1):
            for count in workers:
                with flow(kafka, valkey, "small", folder) as topics:
                    passed = _run(topics, count, asleep_ms / 1e3, posts)
                for key, found in passed.items():
                    values.setdefault(key, []).append(found)
                progress(f"turn {turn} of {turns}, {_name(count)}: {perf_counter() - began:.0f} s")
    costs = LengthsAndPictures()
    Figures(
        bench="scale",
        release="none: the engine sleeps; by length and pictures: small",
        dtype=costs.dtype,
        settings={"posts": posts, "asleep_us": round(asleep_ms * 1e3), "turns": turns},
        figures=[
            *(Figure.of(key, found) for key, found in values.items()),
            *_of_linear(values, workers),
            *in_turns(costs.runs(), turns),
        ],
        seconds=perf_counter() - began,
    ).write(output, as_json=json, plot=lambda written, path: bars(written, _RATE, path))


def _name(workers: int) -> str:
    return f"{workers} worker{'s' if workers > 1 else ''}"


def _of_linear(values: Mapping[Key, list[float]], workers: tuple[int, ...]) -> list[Figure]:
    """Each turn against the fewest workers of that turn."""
    fewest = values[_name(workers[0]), _RATE]
    return [
        Figure.of(
            (f"{_name(count)}, of linear", "%"),
            [
                100 * rate / one * workers[0] / count
                for one, rate in zip(fewest, values[_name(count), _RATE], strict=True)
            ],
        )
        for count in workers[1:]
    ]


def _run(topics: Flow, count: int, seconds: float, posts: int) -> Mapping[Key, float]:
    began = perf_counter()
    running = [topics.launch(*_SMALL_BATCHES, program=program(seconds)) for _ in range(count)]
    for worker in running:
        worker.wait_ready()
    ready = perf_counter() - began
    # Twice as many as are watched: none has worked off its partitions before the last has its figure, also
    # where it had more than its share of them at first.
    topics.fill(Posts(), range(posts * count * 2))
    watch(running, after=0, until=posts * count // 8)
    with ThreadPoolExecutor(count) as pool:
        rate = sum(passage.rate for passage in pool.map(partial(pace, posts=posts), running))
    memory = sum(psutil.Process(worker.pid).memory_info().rss for worker in running) / count
    for worker in running:
        worker.kill()
    return {
        (_name(count), _RATE): rate,
        (f"{_name(count)}, start until all are ready", "s"): ready,
        (f"{_name(count)}, resident memory of one", "MB"): memory / _MEGABYTE,
    }
