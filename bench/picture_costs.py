"""What pictures cost: each stage alone, the hit path, and streams of posts with more and more reposts.

Everything is on this machine: the pictures come over loopback HTTP, features go to a Valkey of its own. The
pictures are the sample pictures, each cut and mirrored anew by a seed, so that no two are alike.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import cycle
from queue import SimpleQueue
from statistics import fmean, median
from threading import BoundedSemaphore
from time import perf_counter
from typing import Final

import numpy as np
import redis
from aiohttp.resolver import ThreadedResolver
from PIL import Image, ImageOps
from pydantic import BaseModel, ConfigDict, IPvAnyNetwork, TypeAdapter
from rich.console import Console
from yarl import URL

from model.inference import Tagger
from model.pictures import decode
from model.training.report import Environment
from schemas import Source
from workers.local.picture_host import PictureHost
from workers.local.samples import picture_bytes, picture_names, sample_posts
from workers.local.valkey import ValkeyServer
from workers.metrics import Metrics
from workers.settings import BatchSettings, PictureSettings
from workers.tagger.engine import Engine
from workers.tagger.job import Job
from workers.tagger.pictures.answer import Validators
from workers.tagger.pictures.cache import FeatureCache
from workers.tagger.pictures.decoder import Decoder
from workers.tagger.pictures.fetch import Fetcher
from workers.tagger.pictures.guard import Guard
from workers.tagger.pictures.picture import Features, Picture
from workers.tagger.pictures.service import PictureService
from workers.tagger.pictures.values import pack_features
from workers.tagger.serving.served import Served

_LOOPBACK: Final = TypeAdapter(IPvAnyNetwork).validate_python("127.0.0.0/8")
_SIDE: Final = 480
_MARGIN: Final = 40
_BACKBONE_BATCH: Final = 16
_IN_FLIGHT: Final = 64
_SHARES: Final = (0, 30, 60, 90)

console = Console(highlight=False)


class Measured(BaseModel):
    """One figure, of several runs after one that isn't counted."""

    model_config = ConfigDict(frozen=True)

    name: str
    unit: str
    runs: list[float]

    def row(self) -> str:
        """A row of the table."""
        low, middle, high = min(self.runs), median(self.runs), max(self.runs)
        return f"| {self.name} | {middle:,.0f} | {low:,.0f} to {high:,.0f} | {self.unit} |"


class Figures(BaseModel):
    """Everything measured, and where."""

    model_config = ConfigDict(frozen=True)

    pictures: int
    seed: int
    feature_bytes: float
    measured: list[Measured]
    environment: Environment

    def table(self) -> str:
        """A row a figure."""
        head = ["| | median | lowest to highest | |", "|---|---|---|---|"]
        size = f"| a picture's features in Redis | {self.feature_bytes:,.0f} | | bytes |"
        return "\n".join([*head, *(each.row() for each in self.measured), size]) + "\n"


class Bench:
    """Pictures, their host and a Valkey, and what to measure with them."""

    def __init__(
        self, tagger: Tagger, host: PictureHost, valkey: ValkeyServer, count: int, seed: int
    ) -> None:
        self.tagger: Final = tagger
        self.redis_url: Final = valkey.url
        self.bodies: Final = list(_distinct_pictures(count, seed))
        self.urls: Final = [host.add(f"{number}.jpg", body) for number, body in enumerate(self.bodies)]
        self.pixels: Final = np.stack([decode(body) for body in self.bodies[:_BACKBONE_BATCH]])
        self.features: Final[list[Features]] = list(tagger.describe(self.pixels))
        self._seed: Final = seed

    def settings(self, **changes: object) -> PictureSettings:
        """Of a worker on this machine; the cache is empty when a run begins."""
        values = {"redis_url": self.redis_url, "allow_network": (_LOOPBACK,), "cache_timeout": 5.0, **changes}
        return PictureSettings.model_validate(values)

    def fetch(self) -> float:
        """Pictures a second over loopback HTTP, eight at a time."""

        async def run() -> float:
            settings, metrics = self.settings(), Metrics()
            async with Fetcher(settings, Guard(settings, metrics), ThreadedResolver(), metrics) as fetcher:
                turns = asyncio.Semaphore(settings.fetch_per_host)

                async def one(url: str) -> None:
                    async with turns:
                        await fetcher.fetch(URL(url))

                return await _rate([partial(one, url) for url in self.urls])

        return asyncio.run(run())

    def decode(self) -> float:
        """Pictures a second, in the worker's decoding processes."""

        async def run() -> float:
            with Decoder(self.settings(), Metrics()) as decoder:
                await decoder.decode(self.bodies[0])
                return await _rate([partial(decoder.decode, body) for body in self.bodies])

        return asyncio.run(run())

    def backbone(self) -> float:
        """Pictures a second, in batches of sixteen."""
        began = perf_counter()
        self.tagger.describe(self.pixels)
        return len(self.pixels) / (perf_counter() - began)

    def write(self) -> float:
        """Pictures a second, features and where their URLs lead, until Valkey has them."""

        async def run() -> float:
            async with self._cache() as cache:
                return await self._fill(cache)

        return asyncio.run(run())

    def read(self) -> float:
        """Pictures a second from Valkey, all asked for at once."""

        async def run() -> float:
            async with self._cache() as cache:
                await self._fill(cache)
                return await _rate([partial(cache.recall, [url]) for url in self.urls])

        return asyncio.run(run())

    def hit(self, *, local_cache_mb: int) -> float:
        """Microseconds from a post's URL to its features, one post after the other."""

        async def run() -> float:
            async with self._cache(local_cache_mb) as cache:
                await self._fill(cache)
                began = perf_counter()
                for url in self.urls:
                    await cache.recall([url])
                return (perf_counter() - began) / len(self.urls) * 1e6

        return asyncio.run(run())

    def stream(self, *, repost_percent: int) -> float:
        """Posts a second through pictures, batcher and model, one picture each."""
        with redis.Redis.from_url(self.redis_url) as store:
            store.flushall()
        metrics = Metrics()
        service = PictureService(
            self.settings(),
            backbone_digest=self.tagger.backbone_digest,
            feature_channels=self.tagger.feature_channels,
            metrics=metrics,
        )
        served = Served(self.tagger, service)
        finished: SimpleQueue[Job] = SimpleQueue()
        room = BoundedSemaphore(_IN_FLIGHT)

        def finish(job: Job) -> None:
            finished.put(job)
            room.release()

        engine = Engine(
            BatchSettings(),
            finished=finish,
            metrics=metrics,
        )

        def illustrated(job: Job, pictures: tuple[Picture, ...]) -> None:
            job.pictures = pictures
            engine.submit(job)

        service.start()
        engine.start()
        texts = cycle(post.text for post in sample_posts(str))
        began = perf_counter()
        for offset, url in enumerate(self._reposted(repost_percent)):
            room.acquire()
            source = Source(topic="bench", partition=0, offset=offset)
            job = Job(source, key=None, value=None, headers=(), served=served)
            job.text = self.tagger.prepare(next(texts))
            service.submit((url,), partial(illustrated, job))
        jobs = [finished.get() for _ in self.urls]
        seconds = perf_counter() - began
        engine.close()
        service.close()
        if any(job.tagging is None or not job.tagging.relevance for job in jobs):
            raise SystemExit("a post came out without its picture: the figures would be wrong")
        return len(jobs) / seconds

    def _reposted(self, percent: int) -> list[str]:
        """As many posts as pictures; that share of them has a picture of an earlier post."""
        random, fresh = np.random.default_rng(self._seed), iter(self.urls)
        posted = [next(fresh)]
        while len(posted) < len(self.urls):
            again = random.random() * 100 < percent
            posted.append(posted[random.integers(len(posted))] if again else next(fresh))
        return posted

    @asynccontextmanager
    async def _cache(self, local_cache_mb: int = 0) -> AsyncIterator[FeatureCache]:
        with redis.Redis.from_url(self.redis_url) as store:
            store.flushall()
        channels = self.features[0].shape[1]
        settings = self.settings(local_cache_mb=local_cache_mb)
        cache = FeatureCache(settings, "bench", channels, Metrics())
        task = asyncio.create_task(cache.run())
        try:
            yield cache
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _fill(self, cache: FeatureCache) -> float:
        began = perf_counter()
        for number, url in enumerate(self.urls):
            content, features = f"{number:064x}", self.features[number % len(self.features)]
            cache.remember_content(url, content, Validators())
            cache.keep_features(content, features)
            cache.share_features(content, features)
        # The last picture's features are written last.
        while not (await cache.recall(self.urls[-1:]))[0].settled:
            pass
        return len(self.urls) / (perf_counter() - began)


async def _rate(jobs: Sequence[Callable[[], Awaitable[object]]]) -> float:
    began = perf_counter()
    await asyncio.gather(*(job() for job in jobs))
    return len(jobs) / (perf_counter() - began)


def _distinct_pictures(count: int, seed: int) -> list[bytes]:
    random, bodies = np.random.default_rng(seed), []
    for name, _ in zip(cycle(picture_names()), range(count), strict=False):
        with Image.open(io.BytesIO(picture_bytes(name))) as image:
            left, top = random.integers(_MARGIN, size=2).tolist()
            box = (left, top, image.width - _MARGIN, image.height - _MARGIN)
            cut = ImageOps.fit(image.convert("RGB").crop(box), (_SIDE, _SIDE))
        file = io.BytesIO()
        (ImageOps.mirror(cut) if random.integers(2) else cut).save(file, "JPEG", quality=85)
        bodies.append(file.getvalue())
    return bodies


def measure_all(release: str, *, pictures: int, runs: int, seed: int) -> Figures:
    """Every figure, on servers of its own."""
    tagger = Tagger.load(release)
    tagger.warm_up()
    with PictureHost() as host, ValkeyServer(max_memory_mb=256) as valkey:
        bench = Bench(tagger, host, valkey, pictures, seed)
        return Figures(
            pictures=pictures,
            seed=seed,
            feature_bytes=fmean(len(pack_features(b"key", features)) for features in bench.features),
            measured=measure(bench, runs),
            environment=Environment.here(device="cpu", dtype=tagger.dtype, processes=1),
        )


def measure(bench: Bench, runs: int) -> list[Measured]:
    """Every figure, each `runs` times after one that isn't counted."""
    wanted: list[tuple[str, str, Callable[[], float]]] = [
        ("fetch, loopback HTTP", "pictures/s", bench.fetch),
        ("decode, in processes", "pictures/s", bench.decode),
        ("backbone", "pictures/s", bench.backbone),
        ("cache write, Redis", "pictures/s", bench.write),
        ("cache read, Redis", "pictures/s", bench.read),
        ("hit path, Redis", "µs a post", partial(bench.hit, local_cache_mb=0)),
        ("hit path, own memory", "µs a post", partial(bench.hit, local_cache_mb=256)),
        *(
            (f"stream, {percent} % reposts", "posts/s", partial(bench.stream, repost_percent=percent))
            for percent in _SHARES
        ),
    ]
    measured = []
    for name, unit, run in wanted:
        run()
        measured.append(Measured(name=name, unit=unit, runs=[run() for _ in range(runs)]))
        console.print(measured[-1].row(), markup=False)
    return measured
