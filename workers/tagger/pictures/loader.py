"""URLs to pictures: remembered ones from the cache, others fetched and decoded, each once at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import Final

import structlog
from aiohttp.abc import AbstractResolver
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from schemas import ImageStatus
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures.cache import FeatureCache, Memory
from workers.tagger.pictures.decoder import Decoder
from workers.tagger.pictures.fetch import Fetcher
from workers.tagger.pictures.guard import Guard
from workers.tagger.pictures.picture import NoPicture, Picture
from workers.tagger.pictures.rests import HostRests
from workers.tagger.pictures.turns import Turns

# The guard's own verdicts cost nothing to reach again; what a host did costs it and us a fetch.
_NOT_REMEMBERED: Final = frozenset({ImageStatus.BAD_URL, ImageStatus.REFUSED})

_log = structlog.get_logger(__name__)


class Loader:
    """Loads the pictures of posts. Belongs to one event loop; `open_loader` makes one."""

    def __init__(
        self,
        settings: PictureSettings,
        *,
        guard: Guard,
        fetcher: Fetcher,
        cache: FeatureCache,
        decoder: Decoder,
        metrics: Metrics,
    ) -> None:
        self._guard: Final = guard
        self._fetcher: Final = fetcher
        self._cache: Final = cache
        self._decoder: Final = decoder
        self._metrics: Final = metrics
        self._turns: Final = Turns(
            settings.fetch_concurrency, settings.fetch_per_host, wait=settings.fetch_wait
        )
        # By the URL that is sent: several posts that ask for it at once wait for the same flight.
        self._flights: Final[dict[URL, asyncio.Task[Picture]]] = {}

    async def load(self, urls: Sequence[str]) -> tuple[Picture, ...]:
        """A picture for each URL, in their order; a failure is a status, never an error."""
        checked = [self._check(url) for url in urls]
        fresh = list(dict.fromkeys(u for u in checked if isinstance(u, URL) and u not in self._flights))
        if fresh:
            memories = asyncio.create_task(self._recall(fresh))
            for url in fresh:
                flight = asyncio.create_task(self._fly(url, memories))
                self._flights[url] = flight
                flight.add_done_callback(partial(self._land, url))
        found = [self._flights[u] if isinstance(u, URL) else u for u in checked]
        # Waited for, not awaited: whoever gives up waiting must not end a flight that others wait for.
        if flights := [flight for flight in found if isinstance(flight, asyncio.Task)]:
            await asyncio.wait(flights)
        return tuple(
            replace(entry.result(), url=url) if isinstance(entry, asyncio.Task) else Picture(url, entry)
            for url, entry in zip(urls, found, strict=True)
        )

    def _land(self, url: URL, _: asyncio.Task[Picture]) -> None:
        del self._flights[url]

    async def end(self) -> None:
        """Break off every flight."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _check(self, url: str) -> URL | ImageStatus:
        try:
            return self._guard.check(url)
        except NoPicture as lost:
            return lost.status
        except Exception as error:  # noqa: BLE001 - no text of a stranger's may end the worker
            _report(error, host=None)
            return ImageStatus.BAD_URL

    async def _recall(self, urls: Sequence[URL]) -> dict[URL, Memory]:
        return dict(zip(urls, await self._cache.recall([str(url) for url in urls]), strict=True))

    async def _fly(self, url: URL, memories: asyncio.Task[dict[URL, Memory]]) -> Picture:
        try:
            memory = (await memories)[url]
            if memory.failure is not None:
                return Picture(str(url), memory.failure)
            if memory.features is not None:
                return Picture(str(url), ImageStatus.OK, memory.content, features=memory.features)
            # The turn lasts until the picture is decoded, so that no pile of undecoded bytes grows.
            async with self._turns.turn(url.raw_host or ""):
                return await self._obtain(url, memory)
        except NoPicture as lost:
            return Picture(str(url), lost.status)
        except Exception as error:  # noqa: BLE001 - a post is never lost to its picture, nor to our bug
            _report(error, host=url.raw_host)
            return Picture(str(url), ImageStatus.UNREACHABLE)

    async def _obtain(self, url: URL, memory: Memory) -> Picture:
        try:
            data = (await self._fetcher.fetch(url)).body
            content = sha256(data).hexdigest()
            # The same picture may have come under another URL; under this one that was asked already.
            features = await self._cache.features(content) if content != memory.content else None
            pixels = await self._decoder.decode(data) if features is None else None
        except HostRests:
            # Nothing was asked, and the host is asked again as soon as its rest is over.
            raise
        except NoPicture as lost:
            self._metrics.fetches.labels(lost.status.value).inc()
            if lost.status not in _NOT_REMEMBERED:
                self._cache.remember_failure(str(url), lost.status)
            raise
        self._metrics.fetches.labels(ImageStatus.OK.value).inc()
        self._cache.remember_content(str(url), content)
        return Picture(str(url), ImageStatus.OK, content, pixels=pixels, features=features)


@asynccontextmanager
async def open_loader(
    settings: PictureSettings, cache: FeatureCache, metrics: Metrics, resolver: AbstractResolver | None = None
) -> AsyncIterator[Loader]:
    """A loader with its HTTP session and decoding processes; what is under way at the end is broken off.

    Args:
        settings: bounds and networks.
        cache: what is remembered.
        metrics: counts and times.
        resolver: finds the addresses of hosts; the system's by default. Its answers are checked either way.
    """
    guard = Guard(settings, metrics)
    with Decoder(settings, metrics) as decoder:
        async with Fetcher(settings, guard, resolver or ThreadedResolver(), metrics) as fetcher:
            loader = Loader(
                settings, guard=guard, fetcher=fetcher, cache=cache, decoder=decoder, metrics=metrics
            )
            memory = asyncio.create_task(cache.run())
            memory.add_done_callback(_report_end)
            try:
                yield loader
            finally:
                await loader.end()
                memory.cancel()
                await asyncio.gather(memory, return_exceptions=True)


def _report_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _report(error, host=None)


def _report(error: BaseException, host: str | None) -> None:
    # Where, not what: an error's text may hold a URL, and a URL may hold a secret.
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = None if trace is None else f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}"
    _log.error("a picture met an internal error", host=host, error=type(error).__name__, place=place)
