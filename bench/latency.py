"""How long a post takes from Kafka to Kafka, by how much of its capacity a worker is asked for.

Posts come at a fixed rate whatever the worker does (an open loop), and a post's time counts from the moment
at which it was due, also where it was produced later: a worker that stalls is not spared the posts that it
keeps waiting (coordinated omission). It ends when a reader with `read_committed` has the result. The broker,
Redis, the worker, who produces and who reads share this machine's cores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path
from time import perf_counter, sleep
from typing import Final

import numpy as np

from bench.arrivals import Arrivals
from bench.figures import RESULTS, Figure, Figures, Key, progress
from bench.flow import Flow, pace, told, watch
from bench.plot import lines
from bench.posts import Posts
from bench.scene import scene
from model.device import DTYPES, pick_device, pick_dtype
from workers.local.worker_process import WorkerProcess
from workers.settings import BatchSettings

_LOADS: Final = (10, 30, 50, 70, 90, 95)
_PICTURES: Final = 24
_WARM_POSTS: Final = 100
_QUEUE: Final = 1_024
_PATIENCE_SECONDS: Final = 60.0
_MS: Final = "ms"
_WAIT_MS: Final = BatchSettings().batch_wait_ms


def latency(
    *,
    loads: tuple[int, ...] = _LOADS,
    seconds: float = 15,
    capacity_posts: int = 960,
    processes: int | None = None,
    output: Path = RESULTS,
    json: bool = False,
) -> None:
    """p50 and p99 from Kafka to Kafka against load, `small`, features cached; about four minutes.

    The load is in % of the capacity measured first: behind a full topic while posts go on coming one at a
    time, as they do later, for to produce and store them takes its part of the same cores. Writes
    `latency.json`, `latency.md` and `latency.svg`.

    Args:
        loads: in % of the capacity, the least first.
        seconds: that posts come at each load.
        capacity_posts: by which the capacity is measured.
        processes: of the worker; by default as many as there are cores.
        output: directory of the figures.
        json: print the figures as one JSON object, that of the file, instead of a table.
    """
    began = perf_counter()
    workers = processes or cpu_count() or 1
    figures: list[Figure] = []
    with ExitStack() as stack:
        around = stack.enter_context(scene("latency", _PICTURES))
        posts, topics = around.posts, stack.enter_context(around.flow())
        arrivals = stack.enter_context(Arrivals.reading(topics.bootstrap_servers, topics.topics[1]))
        worker = topics.launch(*(("--processes", str(workers)) if workers > 1 else ())).wait_ready()
        line = _Line(topics, worker, arrivals, posts)
        topics.fill(posts, range(_WARM_POSTS))
        watch([worker], after=0, until=_WARM_POSTS)
        # The queue is full as long as the capacity is measured.
        first = _WARM_POSTS + capacity_posts + _QUEUE
        topics.fill(posts, range(_WARM_POSTS, first))
        alone = pace(worker, capacity_posts)
        numbers = first + 2 * capacity_posts
        with ThreadPoolExecutor(1) as producing:
            coming = producing.submit(open_loop, topics, posts, range(first, numbers), alone.rate)
            before = _Batches.of(worker)
            passage = pace(worker, capacity_posts)
            batches = _Batches.of(worker).less(before)
            coming.result()
        figures += [
            Figure.of(("behind a full topic, nothing coming", "posts/s"), [alone.rate]),
            Figure.of(("capacity", "posts/s"), [passage.rate]),
            Figure.of(("at capacity: a batch", _MS), [batches.milliseconds]),
            Figure.of(("at capacity: posts in a batch", "posts"), [batches.posts]),
        ]
        arrivals.await_all(numbers, _PATIENCE_SECONDS)
        progress(f"capacity {passage.rate:.1f} posts/s: {perf_counter() - began:.0f} s")
        for load in loads:
            rate = passage.rate * load / 100
            count = max(1, round(rate * seconds))
            found = _run(line, range(numbers, numbers + count), rate)
            numbers += count
            figures += [
                Figure.of((f"{load} % of capacity: {name}", unit), [value])
                for (name, unit), value in found.items()
            ]
            told_ms = f"p50 {found['p50', _MS]:.0f} ms, p99 {found['p99', _MS]:.0f} ms"
            progress(f"{load} % of capacity: {told_ms}; {perf_counter() - began:.0f} s")
    curves = {
        each: [(float(load), f"{load} % of capacity: {each}") for load in loads]
        for each in ("p50", "p99", "3 batches and the wait")
    }
    Figures(
        bench="latency",
        release="small",
        dtype=_dtype(),
        settings={
            "seconds": round(seconds),
            "capacity_posts": capacity_posts,
            "pictures": _PICTURES,
            "processes": workers,
        },
        figures=figures,
        seconds=perf_counter() - began,
    ).write(
        output, as_json=json, plot=lambda written, path: lines(written, curves, ("% of capacity", _MS), path)
    )


@dataclass(frozen=True, slots=True)
class _Batches:
    """What a worker's engine has done: seconds at its batches, how many they were, and their posts."""

    seconds: float
    count: float
    total: float

    @classmethod
    def of(cls, worker: WorkerProcess) -> _Batches:
        seconds = sum(
            told(worker, "stage_duration_seconds_sum", stage=stage) for stage in ("describe", "tag")
        )
        return cls(seconds, told(worker, "batch_posts_count"), told(worker, "batch_posts_sum"))

    def less(self, before: _Batches) -> _Batches:
        return _Batches(self.seconds - before.seconds, self.count - before.count, self.total - before.total)

    @property
    def milliseconds(self) -> float:
        return 1e3 * self.seconds / max(1.0, self.count)

    @property
    def posts(self) -> float:
        return self.total / max(1.0, self.count)


@dataclass(frozen=True, slots=True)
class _Line:
    """What posts go through: topics, one worker, a reader of its results."""

    topics: Flow
    worker: WorkerProcess
    arrivals: Arrivals
    posts: Posts


def _run(line: _Line, numbers: range, rate: float) -> Mapping[Key, float]:
    """One load, until its last post is through."""
    before = _Batches.of(line.worker)
    due = open_loop(line.topics, line.posts, numbers, rate)
    seen = line.arrivals.await_all(numbers.stop, _PATIENCE_SECONDS)
    batches = _Batches.of(line.worker).less(before)
    took = [1e3 * (seen[number] - at) for number, at in zip(numbers, due, strict=True)]
    p50, p99 = np.percentile(took, (50, 99))
    bound = 3 * batches.milliseconds + _WAIT_MS
    return {
        ("p50", _MS): float(p50),
        ("p99", _MS): float(p99),
        ("a batch", _MS): batches.milliseconds,
        ("posts in a batch", "posts"): batches.posts,
        ("3 batches and the wait", _MS): bound,
        ("p99 / (3 batches and the wait)", "times"): float(p99) / bound,
    }


def open_loop(topics: Flow, posts: Posts, numbers: range, rate: float) -> Sequence[float]:
    """Produce posts at a fixed rate; when each was due, on the clock of `perf_counter`."""
    with topics.producer(linger_ms=0) as producer:
        began = perf_counter() + 0.1
        due = [began + index / rate for index in range(len(numbers))]
        for number, at in zip(numbers, due, strict=True):
            if (left := at - perf_counter()) > 0:
                sleep(left)
            topics.send(producer, posts, number)
        producer.flush()
    return due


def _dtype() -> str:
    chosen = pick_dtype("auto", pick_device("auto"))
    return next(name for name, dtype in DTYPES.items() if dtype is chosen)
