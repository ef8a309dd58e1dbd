"""Nobody faster? The worker and what else one would write in Python, on the same posts, in one run.

Each has topics of its own on one broker, one process, the same release and the same posts with a picture
each. One after the other: a backlog (posts a second), a slow open loop (p99), a `kill -9` in the middle of a
backlog (lost and doubled, as a reader with `read_committed` counts them). The peers are spared the pictures:
their features are at hand, while the worker asks Redis.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Final

import numpy as np

from bench.arrivals import Arrivals
from bench.figures import RESULTS, Figure, Figures, Key, progress
from bench.flow import Flow
from bench.latency import open_loop
from bench.peers.environment import peers_python
from bench.plot import bars
from bench.posts import Posts
from bench.scene import scene
from model.inference import Tagger
from model.pictures import decode
from workers.local.process import ServerProcess
from workers.local.worker_process import RPBERT_WORKER

_PICTURES: Final = 24
_WARM_POSTS: Final = 60
_LOOP_RATE: Final = 10.0
_PATIENCE_SECONDS: Final = 120.0
_QUIET_SECONDS: Final = 3.0
_LOST_SECONDS: Final = 20.0
_LOOK_SECONDS: Final = 1.0
_SHOWN_LINES: Final = 8
_RATE: Final = "posts/s"
# The shortest session that a broker allows by default, for all; and what has to be shorter with it.
_SHORT: Final = ("--session-timeout-ms", "6000", "--drain-timeout", "4", "--transaction-timeout-ms", "6000")


@dataclass(frozen=True, slots=True)
class Peer:
    """A program that reads posts and writes results.

    Attributes:
        name: as the table calls it.
        program: what is run, but for where it reads and writes; None for the worker itself.
        foreign: whether it needs a library that the suite does not.
    """

    name: str
    program: tuple[str, ...] | None
    foreign: bool = False


PEERS: Final = {
    "rpbert": Peer("rpbert worker, exactly once", None),
    "loop": Peer("kafka-python, one post at a time, at least once", ("bench.peers.loop", "1")),
    "batches": Peer("kafka-python, batches of 32, at least once", ("bench.peers.loop", "32")),
    "quix": Peer("Quix Streams, exactly once", ("bench.peers.quix",), foreign=True),
    "faust": Peer("Faust, batches of 32, exactly once", ("bench.peers.faust_agent",), foreign=True),
}


def peers(
    *,
    only: tuple[str, ...] = tuple(PEERS),
    posts: int = 1_000,
    loop_seconds: float = 10,
    killed_posts: int = 120,
    output: Path = RESULTS,
    json: bool = False,
) -> None:
    """The worker against a loop of kafka-python, Quix Streams and Faust; about six minutes.

    `make bench-peers` installs those two first, into an environment beside this one. Writes `peers.json`,
    `peers.md` and `peers.svg`.

    Args:
        only: of rpbert, loop, batches, quix and faust.
        posts: of the backlog.
        loop_seconds: that the slow open loop takes.
        killed_posts: of the backlog in whose middle the process is killed.
        output: directory of the figures.
        json: print the figures as one JSON object, that of the file, instead of a table.
    """
    began = perf_counter()
    chosen = [PEERS[name] for name in only]
    foreign = peers_python() if any(peer.foreign for peer in chosen) else sys.executable
    figures: list[Figure] = []
    with scene("peers", _PICTURES) as around:
        tagger = Tagger.load("small")
        features = tagger.describe(np.stack([decode(body) for body in around.bodies]))
        np.savez(around.folder / "features.npz", **dict(zip(around.posts.urls, features, strict=True)))
        for peer in chosen:
            with around.flow() as topics:
                run = Run(peer, topics, around.posts, foreign if peer.foreign else sys.executable)
                found = run.measure(posts, loop_seconds, killed_posts)
            figures += [
                Figure.of((f"{peer.name}: {name}", unit), [value]) for (name, unit), value in found.items()
            ]
            progress(f"{perf_counter() - began:.0f} s")
    Figures(
        bench="peers",
        release="small",
        dtype=tagger.dtype,
        settings={"posts": posts, "killed_posts": killed_posts, "loop_posts_a_second": round(_LOOP_RATE)},
        figures=figures,
        seconds=perf_counter() - began,
    ).write(output, as_json=json, plot=lambda written, path: bars(written, _RATE, path))


class Run:
    """One peer on its topics."""

    def __init__(self, peer: Peer, topics: Flow, posts: Posts, python: str) -> None:
        raw, entities, dead = topics.topics
        where = (
            "--servers",
            topics.bootstrap_servers,
            "--group",
            raw,
            "--source",
            raw,
            "--results",
            entities,
        )
        if peer.program is None:
            command = [
                *RPBERT_WORKER,
                *("--bootstrap-servers", topics.bootstrap_servers, "--group-id", raw),
                *("--input-topic", raw, "--output-topic", entities, "--dead-letter-topic", dead),
                *("--redis-url", topics.redis_url, "--release", topics.release),
                *("--allow-network", "127.0.0.0/8", "--metrics-port", "0", *_SHORT),
            ]
        else:
            features = str(topics.directory / "features.npz")
            state = str(topics.directory / raw)
            command = [
                *(python, "-m", *peer.program, *where),
                *("--features", features, "--directory", state),
            ]
        self._log = topics.directory / f"{raw}.log"
        # The command line says all; settings of the shell around us are for other workers.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("RPBERT_")}
        self._process = ServerProcess(peer.name, command, self._log, environment=environment)
        self._name, self._topics, self._posts = peer.name, topics, posts
        self._next = 0

    def measure(self, posts: int, loop_seconds: float, killed_posts: int) -> Mapping[Key, float]:
        """All figures of this peer."""
        with Arrivals.reading(self._topics.bootstrap_servers, self._topics.topics[1]) as arrivals:
            self._process.launch()
            try:
                warm = self._backlog(arrivals, min(_WARM_POSTS, posts))
                progress(f"{self._name}: warm after {warm:.0f} s")
                rate = posts / self._backlog(arrivals, posts)
                p50, p99 = self._loop(arrivals, round(loop_seconds * _LOOP_RATE))
                progress(f"{self._name}: {rate:.1f} posts/s, p99 {p99:.0f} ms at {_LOOP_RATE:.0f} posts/s")
                lost, doubled, back = self._kill(arrivals, killed_posts)
                progress(f"{self._name}: kill -9, {lost} lost, {doubled} doubled, back in {back:.0f} s")
            finally:
                self._process.kill()
        return {
            ("backlog", _RATE): rate,
            ("open loop, p50", "ms"): p50,
            ("open loop, p99", "ms"): p99,
            ("lost after kill -9", "posts"): lost,
            ("doubled after kill -9", "posts"): doubled,
            ("kill -9 until a new process has the next result", "s"): back,
        }

    def _numbers(self, count: int) -> range:
        first, self._next = self._next, self._next + count
        return range(first, self._next)

    def _backlog(self, arrivals: Arrivals, count: int) -> float:
        """Seconds until so many posts, produced at once, are through."""
        began = perf_counter()
        numbers = self._numbers(count)
        self._topics.fill(self._posts, numbers)
        return max(self._await(arrivals, numbers.stop)[number] for number in numbers) - began

    def _loop(self, arrivals: Arrivals, count: int) -> tuple[float, float]:
        numbers = self._numbers(count)
        due = open_loop(self._topics, self._posts, numbers, _LOOP_RATE)
        seen = self._await(arrivals, numbers.stop)
        p50, p99 = np.percentile(
            [1e3 * (seen[number] - at) for number, at in zip(numbers, due, strict=True)], (50, 99)
        )
        return float(p50), float(p99)

    def _kill(self, arrivals: Arrivals, count: int) -> tuple[int, int, float]:
        """Posts lost and doubled, and seconds until the next result by the process that takes its place."""
        numbers = self._numbers(count)
        self._topics.fill(self._posts, numbers)
        self._await(arrivals, numbers.start + count // 3)
        self._process.kill()
        killed = perf_counter()
        # What was committed before is on its way to the reader still.
        arrivals.settle(0.5, 2)
        before = arrivals.distinct
        if before == numbers.stop:
            raise SystemExit(
                f"{self._name}: all {count} posts were through before it was killed; give more --killed-posts"
            )
        self._process.launch()
        self._await(arrivals, before + 1)
        back = perf_counter() - killed
        # What is lost never comes: then it is a long quiet that ends this. Doubles may be behind the last.
        arrivals.settle(_LOST_SECONDS, _PATIENCE_SECONDS, count=numbers.stop)
        arrivals.settle(_QUIET_SECONDS, _PATIENCE_SECONDS)
        return arrivals.lost(range(numbers.stop)), arrivals.doubled(range(numbers.stop)), back

    def _await(self, arrivals: Arrivals, count: int) -> dict[int, float]:
        """Wait for so many results, as long as the process lives.

        Raises:
            SystemExit: it has ended, or takes too long; the message holds the end of its log.
        """
        until = perf_counter() + _PATIENCE_SECONDS
        while not arrivals.await_some(count, _LOOK_SECONDS):
            late = perf_counter() > until
            if late or not self._process.running:
                lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-_SHOWN_LINES:]
                how = f"took more than {_PATIENCE_SECONDS:.0f} s" if late else "has ended"
                raise SystemExit(
                    f"{self._name} {how}: {arrivals.distinct} of {count} posts have a result; its log ends "
                    "with\n" + "\n".join(lines)
                )
        return arrivals.await_all(count, _PATIENCE_SECONDS)
