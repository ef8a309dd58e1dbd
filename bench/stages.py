"""What each stage costs a post, in CPU time of the worker's process; the broker's own is not in it.

CPU time of all threads, so that it hardly depends on what else the machine does. The model's stages are
those of a batch of posts with one picture each, whose features are at hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Final
from unittest.mock import patch

import numpy as np
from aiohttp.resolver import ThreadedResolver
from pydantic import IPvAnyNetwork, TypeAdapter
from yarl import URL

from bench.figures import RESULTS, Figures, Key, in_turns
from bench.flow import Flow
from bench.plot import bars
from bench.posts import Posts
from bench.scene import scene
from bench.stage_model import ModelStages
from model.inference import Tagger, TagRequest
from model.pictures import decode
from schemas import Source
from workers import kafka_clients
from workers.metrics import Metrics
from workers.settings import CandidateSettings, KafkaSettings, PictureSettings, WorkerSettings
from workers.tagger.batcher import Batch, next_batch
from workers.tagger.bounded_poll import BoundedPoll
from workers.tagger.intake import read_post
from workers.tagger.job import Job
from workers.tagger.outcome import Outcomes
from workers.tagger.pictures.answer import Validators
from workers.tagger.pictures.cache import FeatureCache
from workers.tagger.pictures.fetch import Fetcher
from workers.tagger.pictures.guard import Guard
from workers.tagger.process import make_publisher
from workers.tagger.serving.serving import Serving
from workers.topics import TopicLimits

_UNIT: Final = "us a post"
_COMMIT: Final = 200
_BATCH: Final = 32
_LOOPBACK: Final = TypeAdapter(IPvAnyNetwork).validate_python("127.0.0.0/8")
_ROOMY: Final = 1_000_000


def stages(
    *, posts: int = 1_000, pictures: int = 32, turns: int = 3, output: Path = RESULTS, json: bool = False
) -> None:
    """What each stage of the way costs a post, in CPU time of the worker's process; about two minutes.

    Writes `stages.json`, `stages.md` and `stages.svg`.

    Args:
        posts: how many go through each stage in a turn.
        pictures: distinct ones.
        turns: measurements of each stage; one more warms up.
        output: directory of the figures.
        json: print the figures as one JSON object, that of the file, instead of a table.
    """
    began = perf_counter()
    with ExitStack() as stack:
        around = stack.enter_context(scene("stages", pictures))
        topics = stack.enter_context(around.flow())
        stages = _Stages(topics, around.posts, around.bodies, posts, stack)
        figures = in_turns(stages.runs(), turns)
    Figures(
        bench="stages",
        release="small",
        dtype=stages.tagger.dtype,
        settings={"posts": posts, "pictures": pictures, "batch": _BATCH, "turns": turns},
        figures=figures,
        seconds=perf_counter() - began,
    ).write(output, as_json=json, plot=lambda written, path: bars(written, _UNIT, path))


class _Stages:
    """The parts of a worker, each ready to be run over the same posts."""

    def __init__(
        self, topics: Flow, posts: Posts, bodies: Sequence[bytes], count: int, stack: ExitStack
    ) -> None:
        self.tagger: Final = Tagger.load("small")
        self._count, self._bodies, self._posts = count, bodies, posts
        raw, entities, dead = topics.topics
        names = KafkaSettings(
            bootstrap_servers=topics.bootstrap_servers,
            input_topic=raw,
            output_topic=entities,
            dead_letter_topic=dead,
        )
        self._pictures = PictureSettings(
            redis_url=topics.redis_url, allow_network=(_LOOPBACK,), cache_timeout=5, local_cache_mb=0
        )
        self._settings = WorkerSettings(kafka=names, pictures=self._pictures, group_id=raw)
        self._metrics = Metrics()
        self._values = [posts.value(number) for number in range(count)]
        topics.fill(posts, range(count))
        consumer = stack.enter_context(closing(kafka_clients.group_consumer(self._settings)))
        self._publisher: Any = make_publisher(self._settings, consumer)
        stack.callback(self._publisher.close, 5)
        serving = Serving(self.tagger, self._pictures, CandidateSettings(), self._metrics)
        self._outcomes = Outcomes(names, TopicLimits(_ROOMY, _ROOMY), self._metrics)
        self._consumer = consumer
        consumer.subscribe([raw])
        while not consumer.assignment():
            consumer.poll(timeout_ms=100)
        self._poll_some = BoundedPoll(consumer)
        self._features = self.tagger.describe(np.stack([decode(body) for body in bodies]))
        self._jobs = []
        for offset, value in enumerate(self._values):
            source = Source(topic=raw, partition=offset % 12, offset=offset)
            job = Job(source, posts.key(offset), value, (), served=serving.current)
            job.post = read_post(value)
            job.text = self.tagger.prepare(job.post.text)
            self._jobs.append(job)
        self._requests = [
            TagRequest(job.text, (self._features[number % len(bodies)],))
            for number, job in enumerate(self._jobs[: 2 * _BATCH])
            if job.text is not None
        ]
        for job, tagging in zip(self._jobs, self.tagger.tag(self._requests), strict=False):
            job.tagging = tagging
        self._tagged = [job for job in self._jobs if job.tagging is not None]

    def runs(self) -> list[Callable[[], Mapping[Key, float]]]:
        """Every stage, in the order of a post's way."""
        number = iter(range(1_000_000))
        return [
            partial(self._timed, "poll", self._poll, self._count),
            partial(self._timed, "validate", self._validate, self._count),
            partial(self._timed, "words, never seen before", lambda: self._words(next(number)), self._count),
            partial(self._async, "cache read, Redis", self._cache_read),
            partial(self._async, "cache read, own memory", partial(self._cache_read, own=True)),
            partial(self._async, "fetch, loopback HTTP", self._fetch),
            partial(
                self._timed,
                "decode, in its own process",
                lambda: [decode(each) for each in self._bodies],
                len(self._bodies),
            ),
            partial(
                self._timed,
                "batch wait: choosing batches",
                self._choose,
                min(len(self._jobs), self._settings.max_in_flight),
            ),
            ModelStages(self.tagger, self._requests, _BATCH).run,
            partial(
                self._timed,
                "serialise",
                lambda: [self._outcomes.record(job) for job in self._tagged],
                len(self._tagged),
            ),
            self._commit,
        ]

    def _timed(self, name: str, work: Callable[[], object], posts: int) -> Mapping[Key, float]:
        began = process_time()
        work()
        return {(name, _UNIT): (process_time() - began) / posts * 1e6}

    def _poll(self) -> None:
        self._consumer.seek_to_beginning()
        seen = 0
        while seen < self._count:
            seen += len(self._poll_some(timeout_ms=100, max_records=512, max_bytes=1 << 28))

    def _validate(self) -> None:
        for value in self._values:
            read_post(value)

    def _words(self, turn: int) -> None:
        first = (turn + 1) * self._count
        for number in range(first, first + self._count):
            self.tagger.prepare(self._posts.text(number))

    def _async(self, name: str, work: Callable[[str], object]) -> Mapping[Key, float]:
        return {(name, _UNIT): asyncio.run(work(name))}  # type: ignore[arg-type]

    async def _cache_read(self, _: str, *, own: bool = False) -> float:
        settings = self._pictures.model_copy(update={"local_cache_mb": 256 if own else 0})
        cache = FeatureCache(
            settings, self.tagger.backbone_digest, self.tagger.feature_channels, self._metrics
        )
        speaking = asyncio.create_task(cache.run())
        contents = [f"{number:064x}" for number in range(len(self._bodies))]
        try:
            for url, content, features in zip(self._posts.urls, contents, self._features, strict=True):
                cache.remember_content(url, content, Validators())
                cache.keep_features(content, features)
                cache.share_features(content, features)
            while (await cache.look_again(self._posts.urls[-1])).features is None:  # noqa: ASYNC110 - Redis tells nobody
                await asyncio.sleep(0.01)
            began = process_time()
            for first in range(0, self._count, 64):
                urls = [self._posts.urls[each % len(contents)] for each in range(first, first + 64)]
                found = await asyncio.gather(*(cache.recall([url]) for url in urls))
                if any(memory.features is None for (memory,) in found):
                    raise SystemExit("a picture that was written to the cache is not in it")
            return (process_time() - began) / self._count * 1e6
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)

    async def _fetch(self, _: str) -> float:
        guard = Guard(self._pictures, self._metrics)
        async with Fetcher(self._pictures, guard, ThreadedResolver(), self._metrics) as fetcher:
            began = process_time()
            for url in self._posts.urls:
                await fetcher.fetch(URL(url))
            return (process_time() - began) / len(self._posts.urls) * 1e6

    def _choose(self) -> None:
        """Into batches: as many posts wait as a worker holds at most."""
        waiting = self._jobs[: self._settings.max_in_flight]
        while waiting:
            plan = next_batch(waiting, self._settings.batch, now=0.0, coming=False)
            if isinstance(plan, Batch):
                members = set(plan.members)
                waiting = [job for index, job in enumerate(waiting) if index not in members]

    def _commit(self) -> Mapping[Key, float]:
        """Produce and commit, in one transaction of `_COMMIT` records; its time on the clock too."""
        jobs = [self._tagged[number % len(self._tagged)] for number in range(_COMMIT)]
        records = [(self._outcomes.record(job), job.source.partition) for job in jobs]
        offsets = dict.fromkeys(self._consumer.assignment(), 1)
        producer, written = self._publisher._producer.get(), list[float]()  # noqa: SLF001 - between its steps
        send_offsets = producer.send_offsets_to_transaction

        def noted(*arguments: Any) -> None:
            written.append(process_time())
            send_offsets(*arguments)

        began, cpu = perf_counter(), process_time()
        with patch.object(producer, "send_offsets_to_transaction", noted):
            self._publisher.commit(records, offsets, self._consumer.group_metadata())
        ended = process_time()
        return {
            ("produce", _UNIT): (written[0] - cpu) / _COMMIT * 1e6,
            ("commit", _UNIT): (ended - written[0]) / _COMMIT * 1e6,
            (f"a commit of {_COMMIT} posts, on the clock", "ms"): (perf_counter() - began) * 1e3,
        }
