"""What pictures cost, stage by stage.

Everything is on this machine: the pictures come over loopback HTTP, features go to a Valkey of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from threading import Event, Thread
from time import perf_counter
from typing import Final

import numpy as np
import redis
from aiohttp.resolver import ThreadedResolver
from pydantic import IPvAnyNetwork, TypeAdapter
from yarl import URL

from bench.figures import Figure, Figures, Key, Run, in_turns
from bench.picture_bodies import FORMATS, distinct_pictures, encoded
from bench.picture_streams import posts_a_second, reposted
from model.inference import Tagger
from model.pictures import decode
from workers.local.picture_host import PictureHost
from workers.local.valkey import ValkeyServer
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures.answer import Validators
from workers.tagger.pictures.cache import FeatureCache
from workers.tagger.pictures.decoder import Decoder
from workers.tagger.pictures.fetch import Fetcher
from workers.tagger.pictures.guard import Guard
from workers.tagger.pictures.picture import Features
from workers.tagger.pictures.values import pack_features, unpack_features

_LOOPBACK: Final = TypeAdapter(IPvAnyNetwork).validate_python("127.0.0.0/8")
_BATCH: Final = 16
# More would have to wait than the cache lets wait.
_WRITES: Final = 64
_SHARES: Final = (0, 30, 60, 90)
_KEY: Final = b"key"
_A_SECOND: Final = "pictures/s"
_JPEG: Final = "JPEG"


class Bench:
    """Pictures, their host and a Valkey, and what to measure with them."""

    def __init__(
        self, tagger: Tagger, host: PictureHost, valkey: ValkeyServer, count: int, seed: int
    ) -> None:
        self._tagger: Final = tagger
        self._redis_url: Final = valkey.url
        self._seed: Final = seed
        pictures = distinct_pictures(count, seed)
        self._bodies: Final = {form: [encoded(picture, form) for picture in pictures] for form in FORMATS}
        jpegs = self._bodies[_JPEG]
        self._urls: Final = [host.add(f"{number}.jpg", body) for number, body in enumerate(jpegs)]
        pixels = [decode(body) for body in jpegs]
        self._batch: Final = np.stack(pixels[:_BATCH])
        self._features: Final[list[Features]] = [
            features
            for first in range(0, count, _BATCH)
            for features in tagger.describe(np.stack(pixels[first : first + _BATCH]))
        ]

    def runs(self) -> list[Run]:
        """All there is to measure."""
        return [
            self._fetch,
            *(partial(self._decode, form) for form in FORMATS),
            self._one_by_one,
            self._in_processes,
            self._in_threads,
            self._backbone,
            self._values,
            self._write_and_read,
            partial(self._hit, "Redis", local_cache_mb=0),
            partial(self._hit, "own memory", local_cache_mb=256),
            *(partial(self._stream, percent) for percent in _SHARES),
        ]

    def sizes(self) -> Figure:
        """Bytes of each picture's features."""
        sizes = [len(pack_features(_KEY, features)) for features in self._features]
        return Figure.of(("features of a picture in Redis", "bytes"), sizes)

    def _settings(self, **changes: object) -> PictureSettings:
        values = {
            "redis_url": self._redis_url,
            "allow_network": (_LOOPBACK,),
            "cache_timeout": 5.0,
            **changes,
        }
        return PictureSettings.model_validate(values)

    def _fetch(self) -> Mapping[Key, float]:
        async def run() -> float:
            settings, metrics = self._settings(), Metrics()
            async with Fetcher(settings, Guard(settings, metrics), ThreadedResolver(), metrics) as fetcher:
                turns = asyncio.Semaphore(settings.fetch_per_host)

                async def one(url: str) -> None:
                    async with turns:
                        await fetcher.fetch(URL(url))

                return await _rate([partial(one, url) for url in self._urls])

        return {("fetch, loopback HTTP", _A_SECOND): asyncio.run(run())}

    def _decode(self, form: str) -> Mapping[Key, float]:
        return {(f"decode, {form}", _A_SECOND): asyncio.run(self._decoding(self._bodies[form]))}

    def _in_processes(self) -> Mapping[Key, float]:
        """Decoding in the worker's processes while the backbone is at work."""
        with self._backbone_at_work() as described:
            decoded = asyncio.run(self._decoding(self._bodies[_JPEG]))
        return {
            ("decode, JPEG, in processes beside the backbone", _A_SECOND): decoded,
            ("backbone beside decoding processes", _A_SECOND): described(),
        }

    def _in_threads(self) -> Mapping[Key, float]:
        """The same in threads of this process."""
        with ThreadPoolExecutor(self._settings().decode_processes) as threads:
            alone = _threads_rate(threads, self._bodies[_JPEG])
            with self._backbone_at_work() as described:
                beside = _threads_rate(threads, self._bodies[_JPEG])
        return {
            ("decode, JPEG, in threads", _A_SECOND): alone,
            ("decode, JPEG, in threads beside the backbone", _A_SECOND): beside,
            ("backbone beside decoding threads", _A_SECOND): described(),
        }

    def _one_by_one(self) -> Mapping[Key, float]:
        async def run() -> float:
            with Decoder(self._settings(), Metrics()) as decoder:
                await decoder.decode(self._bodies[_JPEG][0])
                began = perf_counter()
                for body in self._bodies[_JPEG]:
                    await decoder.decode(body)
                return perf_counter() - began

        in_process = asyncio.run(run())
        began = perf_counter()
        for body in self._bodies[_JPEG]:
            decode(body)
        here, count = perf_counter() - began, len(self._urls)
        return {
            ("decode, JPEG, one after the other, in a process", "ms a picture"): 1e3 * in_process / count,
            ("decode, JPEG, one after the other, here", "ms a picture"): 1e3 * here / count,
        }

    def _backbone(self) -> Mapping[Key, float]:
        began = perf_counter()
        self._tagger.describe(self._batch)
        return {("backbone, batches of 16", _A_SECOND): len(self._batch) / (perf_counter() - began)}

    def _values(self) -> Mapping[Key, float]:
        began = perf_counter()
        packed = [pack_features(_KEY, features) for features in self._features]
        between = perf_counter()
        for value, features in zip(packed, self._features, strict=True):
            unpack_features(_KEY, value, (features.shape[0], features.shape[1]))
        count = len(packed)
        return {
            ("encode features", _A_SECOND): count / (between - began),
            ("decode features", _A_SECOND): count / (perf_counter() - between),
        }

    def _write_and_read(self) -> Mapping[Key, float]:
        async def run() -> tuple[float, float]:
            async with self._cache() as cache:
                written = await self._fill(cache)
                return written, await _rate([partial(cache.recall, [url]) for url in self._urls])

        written, read = asyncio.run(run())
        return {("cache write, Redis", _A_SECOND): written, ("cache read, Redis", _A_SECOND): read}

    def _hit(self, tier: str, *, local_cache_mb: int) -> Mapping[Key, float]:
        """From a post's URL to its features, one post after the other."""

        async def run() -> float:
            async with self._cache(local_cache_mb) as cache:
                await self._fill(cache)
                began = perf_counter()
                for url in self._urls:
                    await cache.recall([url])
                return (perf_counter() - began) / len(self._urls) * 1e6

        return {(f"hit path, {tier}", "µs a post"): asyncio.run(run())}

    def _stream(self, percent: int) -> Mapping[Key, float]:
        self._flush()
        urls = reposted(self._urls, percent, self._seed)
        rate = posts_a_second(self._tagger, self._settings(), urls)
        return {(f"stream, {percent} % reposts", "posts/s"): rate}

    async def _decoding(self, bodies: Sequence[bytes]) -> float:
        with Decoder(self._settings(), Metrics()) as decoder:
            # The processes begin with the first picture.
            await decoder.decode(bodies[0])
            return await _rate([partial(decoder.decode, body) for body in bodies])

    @contextmanager
    def _backbone_at_work(self) -> Iterator[Callable[[], float]]:
        """Describes batches while the block runs; afterwards its rate can be asked for."""
        over, batches, began = Event(), 0, perf_counter()

        def work() -> None:
            nonlocal batches
            while not over.is_set():
                self._tagger.describe(self._batch)
                batches += 1

        thread = Thread(target=work)
        thread.start()
        try:
            yield lambda: batches * len(self._batch) / seconds
        finally:
            over.set()
            thread.join()
            seconds = perf_counter() - began

    def _flush(self) -> None:
        with redis.Redis.from_url(self._redis_url) as store:
            store.flushall()

    @asynccontextmanager
    async def _cache(self, local_cache_mb: int = 0) -> AsyncIterator[FeatureCache]:
        self._flush()
        settings = self._settings(local_cache_mb=local_cache_mb)
        cache = FeatureCache(settings, "bench", self._tagger.feature_channels, Metrics())
        task = asyncio.create_task(cache.run())
        try:
            yield cache
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _fill(self, cache: FeatureCache) -> float:
        """Pictures a second, features and where their URLs lead, until Valkey has them."""
        began = perf_counter()
        for first in range(0, len(self._urls), _WRITES):
            urls = self._urls[first : first + _WRITES]
            for number, url in enumerate(urls, first):
                content = f"{number:064x}"
                cache.remember_content(url, content, Validators())
                cache.keep_features(content, self._features[number])
                cache.share_features(content, self._features[number])
            # The last picture's features are written last.
            while not (await cache.recall(urls[-1:]))[0].settled:
                pass
        return len(self._urls) / (perf_counter() - began)


async def _rate(jobs: Sequence[Callable[[], Awaitable[object]]]) -> float:
    began = perf_counter()
    await asyncio.gather(*(job() for job in jobs))
    return len(jobs) / (perf_counter() - began)


def _threads_rate(threads: ThreadPoolExecutor, bodies: Sequence[bytes]) -> float:
    began = perf_counter()
    for _ in threads.map(decode, bodies):
        pass
    return len(bodies) / (perf_counter() - began)


def measure(release: str, *, pictures: int, turns: int, seed: int) -> Figures:
    """Every figure, on servers of its own."""
    began = perf_counter()
    tagger = Tagger.load(release)
    tagger.warm_up()
    with PictureHost() as host, ValkeyServer(max_memory_mb=256) as valkey:
        bench = Bench(tagger, host, valkey, pictures, seed)
        measured = [*in_turns(bench.runs(), turns), bench.sizes()]
    return Figures(
        bench="pictures",
        release=tagger.name,
        dtype=tagger.dtype,
        settings={"pictures": pictures, "turns": turns, "seed": seed},
        figures=measured,
        seconds=perf_counter() - began,
    )
