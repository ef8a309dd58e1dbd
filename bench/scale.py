"""Do more workers do more? 1, 2 and 4 over 12 partitions, with an engine that sleeps instead of computing.

    python -m bench.scale

Asleep they don't share the machine's cores, so what shows is whether the workers hold each other up: in the
group, in the broker, in their transactions. Each also tells its memory and how long it took to be ready.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from typing import Final

import psutil
from cyclopts import App

from bench.figures import RESULTS, Figure, Figures, Key
from bench.flow import Flow, flow, watch
from bench.posts import Posts
from bench.stand_ins import program
from workers.local.kafka import KafkaCluster
from workers.local.valkey import ValkeyServer

_MEGABYTE: Final = 1_000_000
_RATE: Final = "posts/s"

app = App(help=__doc__)


@app.default
def scale(
    *,
    workers: tuple[int, ...] = (1, 2, 4),
    asleep_ms: float = 20,
    posts: int = 400,
    turns: int = 1,
    output: Path = RESULTS,
) -> None:
    """Measure and write the figures.

    Args:
        workers: how many, one figure for each.
        asleep_ms: for each post, in place of the model.
        posts: of each worker in a turn.
        turns: of each number of workers, each with topics of its own.
        output: directory of the figures.
    """
    began = perf_counter()
    values: dict[Key, list[float]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rpbert-scale-")))
        kafka, valkey = stack.enter_context(KafkaCluster()), stack.enter_context(ValkeyServer())
        for _ in range(turns):
            for count in workers:
                with flow(kafka, valkey, "small", folder) as topics:
                    passed = _run(topics, count, asleep_ms / 1e3, posts)
                for key, found in passed.items():
                    values.setdefault(key, []).append(found)
    for first in values.get((_name(workers[0]), _RATE), []):
        for count in workers[1:]:
            share = values[_name(count), _RATE][0] / first / count * workers[0] * 100
            values.setdefault((f"{_name(count)}, of linear", "%"), []).append(share)
    Figures(
        bench="scale",
        release="none: the engine sleeps",
        dtype="none",
        settings={"posts": posts, "asleep_us": round(asleep_ms * 1e3), "turns": turns},
        figures=[Figure.of(key, found) for key, found in values.items()],
        seconds=perf_counter() - began,
    ).write(output)


def _name(workers: int) -> str:
    return f"{workers} worker{'s' if workers > 1 else ''}"


def _run(topics: Flow, count: int, seconds: float, posts: int) -> Mapping[Key, float]:
    began = perf_counter()
    running = [topics.launch(program=program(seconds)) for _ in range(count)]
    for worker in running:
        worker.wait_ready()
    ready = perf_counter() - began
    # Twice as many as are watched: towards the end not all partitions hold some.
    topics.fill(Posts(), range(2 * posts * count))
    passage = watch(running, after=posts * count // 4, until=posts * count * 5 // 4)
    memory = sum(psutil.Process(worker.pid).memory_info().rss for worker in running) / count
    return {
        (_name(count), _RATE): passage.rate,
        (f"{_name(count)}, start until all are ready", "s"): ready,
        (f"{_name(count)}, resident memory of one", "MB"): memory / _MEGABYTE,
    }


if __name__ == "__main__":
    app()
