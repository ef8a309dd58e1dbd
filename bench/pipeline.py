"""Posts a second from Kafka to Kafka, against the bare model on the same posts, in turns of one run.

The broker, Redis and the worker share this machine's cores. The bare model has its posts prepared and their
features at hand, in the batches that the worker's own rule cuts from a full queue. With no model in the
worker at all what is left is what lies around the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from os import cpu_count
from pathlib import Path
from time import perf_counter
from typing import Final

import numpy as np
import psutil

from bench.figures import RESULTS, Figure, Figures, Key, in_turns, progress
from bench.flow import pace, told, watch
from bench.model_costs import in_batches
from bench.plot import bars
from bench.scene import Scene, scene
from bench.stand_ins import program
from model.heap import keep_heap
from model.inference import Tagger, TagRequest
from model.pictures import decode
from workers.local.worker_process import RPBERT_WORKER, WorkerProcess

# Fills the worker's queues and its memory of pictures, at most.
_WARM_POSTS: Final = 600
# In a turn: some seven batches with a model, some seconds without one.
_POSTS: Final = 480
_POSTS_WITHOUT_MODEL: Final = 8_000
_BATCHES, _QUEUE = 200, 1_024
_RATE: Final = "posts/s"
_THROUGH: Final = "from Kafka to Kafka"
_BARE: Final = "the bare model"
# A worker that is held still while the other has its turn must lose neither membership nor transaction.
_PATIENT: Final = ("--session-timeout-ms", "600000", "--transaction-timeout-ms", "600000")


def pipeline(
    *,
    posts: int | None = None,
    pictures: int = 48,
    processes: int | None = None,
    turns: int = 3,
    stand_in: bool = False,
    output: Path = RESULTS,
    json: bool = False,
) -> None:
    """Posts a second from Kafka to Kafka, and of the bare model in the same run; two to three minutes.

    Writes `pipeline.json`, `pipeline.md` and `pipeline.svg`; with `--stand-in` `pipeline_without_model`.

    Args:
        posts: in a turn; 480, without a model 8,000.
        pictures: distinct ones, one a post; 0 for text alone.
        processes: of the worker; by default as many as there are cores, without a model 1.
        turns: of each; one more warms up.
        stand_in: no model in the worker.
        output: directory of the figures.
        json: print the figures as one JSON object, that of the file, instead of a table.
    """
    # For the bare model, as the worker does.
    keep_heap()
    began = perf_counter()
    count = posts or (_POSTS_WITHOUT_MODEL if stand_in else _POSTS)
    workers = processes or (1 if stand_in else cpu_count() or 1)
    with ExitStack() as stack:
        around = stack.enter_context(scene("pipeline", pictures))
        tagger = Tagger.load("small")
        bare = None if stand_in else _Bare(tagger, around, count)
        topics = stack.enter_context(around.flow())
        # So many that the queue is full to the end: a turn ends with a whole batch.
        warm = min(_WARM_POSTS, count)
        topics.fill(
            around.posts, range(warm + (turns + 1) * (count + count // 4 + _BATCHES) + workers * _QUEUE)
        )
        progress("the topic is full")
        several = ("--processes", str(workers)) if workers > 1 else ()
        worker = topics.launch(
            *_PATIENT, *several, program=program() if stand_in else RPBERT_WORKER
        ).wait_ready()
        watch([worker], after=0, until=warm)
        progress("the worker is warm")
        passing = _Passing(worker, count)
        # Held still they would not end by themselves, and nobody waits for what they have in hand.
        stack.callback(passing.kill)
        figures = in_turns([passing] if bare is None else [bare, passing], turns)
    Figures(
        bench="pipeline_without_model" if stand_in else "pipeline",
        release="small",
        dtype="none" if stand_in else tagger.dtype,
        settings={"posts": count, "pictures": pictures, "turns": turns, "processes": workers},
        figures=[*figures, *_share(passing, bare)],
        seconds=perf_counter() - began,
    ).write(output, as_json=json, plot=lambda written, path: bars(written, _RATE, path))


class _Passing:
    """The worker behind a full topic; it stands still while the other measurement has its turn."""

    def __init__(self, worker: WorkerProcess, posts: int) -> None:
        self.rates: Final[list[float]] = []
        process = psutil.Process(worker.pid)
        self._processes = [process, *process.children(recursive=True)]
        self._worker, self._posts = worker, posts
        self._suspend()

    def __call__(self) -> Mapping[Key, float]:
        """One turn."""
        for process in self._processes:
            process.resume()
        before = self._so_far()
        passage = pace(self._worker, self._posts)
        spent = {key: value - before[key] for key, value in self._so_far().items()}
        self._suspend()
        self.rates.append(passage.rate)
        return {
            (_THROUGH, _RATE): passage.rate,
            ("CPU of the worker", "us a post"): spent["cpu"] / max(1, spent["posts"]) * 1e6,
            ("batch wait", "ms"): spent["waited"] / max(1, spent["posts"]) * 1e3,
            ("posts in a batch", "posts"): spent["posts"] / max(1, spent["batches"]),
        }

    def kill(self) -> None:
        """End it at once."""
        for process in self._processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def _suspend(self) -> None:
        for process in self._processes:
            process.suspend()

    def _so_far(self) -> dict[str, float]:
        return {
            "cpu": sum(sum(process.cpu_times()[:2]) for process in self._processes),
            "waited": told(self._worker, "stage_duration_seconds_sum", stage="batching"),
            "posts": told(self._worker, "batch_posts_sum"),
            "batches": told(self._worker, "batch_posts_count"),
        }


class _Bare:
    """The model alone."""

    def __init__(self, tagger: Tagger, around: Scene, count: int) -> None:
        posts, bodies = around.posts, around.bodies
        features = list(tagger.describe(np.stack([decode(body) for body in bodies]))) if bodies else []
        requests = [
            TagRequest(
                tagger.prepare(posts.text(number)),
                (features[number % len(bodies)],) if bodies else (),
            )
            for number in range(count)
        ]
        self.rates: Final[list[float]] = []
        self._batches = in_batches(requests)
        self._tagger, self._count = tagger, count

    def __call__(self) -> Mapping[Key, float]:
        """One turn."""
        began = perf_counter()
        for batch in self._batches:
            self._tagger.tag(batch)
        self.rates.append(self._count / (perf_counter() - began))
        return {(_BARE, _RATE): self.rates[-1]}


def _share(passing: _Passing, bare: _Bare | None) -> list[Figure]:
    """Each turn's own ratio; what slows the machine for a while slows both of a turn."""
    if bare is None:
        return []
    shares = [100 * through / alone for through, alone in zip(passing.rates, bare.rates, strict=True)]
    return [Figure.of((f"{_THROUGH}, of {_BARE}", "%"), shares[1:])]
