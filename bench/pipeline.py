"""Posts a second from Kafka to Kafka, against the bare model on the same posts, in turns of one run.

    python -m bench.pipeline

The broker, Redis and the worker share this machine's cores. The bare model has its posts prepared and their
features at hand, in batches as the worker makes them at best: full, and sorted by length. `--stand-in` runs
the same worker with no model in it at all: what is left is what lies around the model.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from typing import Final

import numpy as np
import psutil
from cyclopts import App

from bench.figures import RESULTS, Figures, Key, in_turns
from bench.flow import flow, outcomes, watch
from bench.picture_bodies import distinct_pictures, encoded
from bench.posts import Posts
from bench.stand_ins import program
from model.inference import Tagger, TagRequest
from model.pictures import decode
from workers.local.kafka import KafkaCluster
from workers.local.picture_host import PictureHost
from workers.local.valkey import ValkeyServer
from workers.local.worker_process import RPBERT_WORKER, WorkerProcess
from workers.settings import BatchSettings

# Fills the worker's queues and its memory of pictures.
_WARM_POSTS: Final = 600
_RATE: Final = "posts/s"

app = App(help=__doc__)


@app.default
def pipeline(
    *,
    posts: int = 1_000,
    pictures: int = 48,
    turns: int = 3,
    stand_in: bool = False,
    output: Path = RESULTS,
) -> None:
    """Measure both and write the figures.

    Args:
        posts: in a turn.
        pictures: distinct ones, one a post; 0 for text alone.
        turns: of each; one more warms up.
        stand_in: no model in the worker.
        output: directory of the figures.
    """
    began = perf_counter()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rpbert-pipeline-")))
        kafka, valkey = stack.enter_context(KafkaCluster()), stack.enter_context(ValkeyServer())
        host = stack.enter_context(PictureHost())
        bodies = [encoded(picture, "JPEG") for picture in distinct_pictures(pictures, 1)]
        workload = Posts([host.add(f"{number}.jpg", body) for number, body in enumerate(bodies)])
        tagger = Tagger.load("small")
        bare = _Bare(tagger, workload, bodies, posts)
        topics = stack.enter_context(flow(kafka, valkey, "small", folder))
        topics.fill(workload, range(_WARM_POSTS + posts * (turns + 2)))
        worker = topics.launch(program=program() if stand_in else RPBERT_WORKER).wait_ready()
        watch([worker], after=_WARM_POSTS // 2, until=_WARM_POSTS)
        passing = _Passing(worker, posts)
        figures = in_turns([passing] if stand_in else [bare, passing], turns)
    Figures(
        bench="pipeline_without_model" if stand_in else "pipeline",
        release="small",
        dtype=tagger.dtype,
        settings={"posts": posts, "pictures": pictures, "turns": turns},
        figures=figures,
        seconds=perf_counter() - began,
    ).write(output)


class _Passing:
    """The worker behind a full topic; it stands still while the other measurement has its turn."""

    def __init__(self, worker: WorkerProcess, posts: int) -> None:
        self._process = psutil.Process(worker.pid)
        self._worker, self._posts = worker, posts
        self._process.suspend()

    def __call__(self) -> Mapping[Key, float]:
        """One turn."""
        self._process.resume()
        seen = outcomes([self._worker])
        cpu = sum(self._process.cpu_times()[:2])
        passage = watch([self._worker], after=seen + 1, until=seen + self._posts)
        spent = sum(self._process.cpu_times()[:2]) - cpu
        self._process.suspend()
        return {
            ("from Kafka to Kafka", _RATE): passage.rate,
            ("CPU of the worker", "us a post"): spent / passage.posts * 1e6,
        }


class _Bare:
    """The model alone."""

    def __init__(self, tagger: Tagger, posts: Posts, bodies: list[bytes], count: int) -> None:
        features = list(tagger.describe(np.stack([decode(body) for body in bodies]))) if bodies else []
        requests = [
            TagRequest(
                tagger.prepare(posts.text(number)),
                (features[number % len(bodies)],) if bodies else (),
            )
            for number in range(count)
        ]
        requests.sort(key=lambda request: request.text.length)
        size = BatchSettings().batch_posts
        self._batches = [requests[first : first + size] for first in range(0, count, size)]
        self._tagger, self._count = tagger, count

    def __call__(self) -> Mapping[Key, float]:
        """One turn."""
        began = perf_counter()
        for batch in self._batches:
            self._tagger.tag(batch)
        return {("the bare model", _RATE): self._count / (perf_counter() - began)}


if __name__ == "__main__":
    app()
