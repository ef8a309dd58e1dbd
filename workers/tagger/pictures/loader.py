"""URLs to pictures: remembered ones from the cache, others fetched and decoded, each once at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import Final

import structlog
from aiohttp.abc import AbstractResolver
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from schemas import ImageStatus
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures.cache import FeatureCache, url_identity
from workers.tagger.pictures.decoder import Decoder
from workers.tagger.pictures.fetch import Fetcher
from workers.tagger.pictures.guard import Guard
from workers.tagger.pictures.lead import Memory
from workers.tagger.pictures.picture import NoPicture, Picture
from workers.tagger.pictures.source import Elsewhere, Outcome, Source

# Between looks for what another worker finds; those of all posts share a round trip.
_LOOK_SECONDS: Final = 0.025

_log = structlog.get_logger(__name__)


class Loader:
    """Loads the pictures of posts. Belongs to one event loop; `open_loader` makes one.

    A picture is on one flight at a time. In this worker, whoever asks for its URL joins the flight, and who
    comes while it is being described takes its pixels: the engine finds it described by then. Of several
    workers one has the lease, the others look for what it finds.
    """

    def __init__(
        self,
        settings: PictureSettings,
        *,
        guard: Guard,
        source: Source,
        cache: FeatureCache,
        metrics: Metrics,
    ) -> None:
        self._guard: Final = guard
        self._source: Final = source
        self._cache: Final = cache
        self._metrics: Final = metrics
        self._flight_wait: Final = settings.flight_wait
        # By the URL that is sent: several posts that ask for it at once wait for the same flight.
        self._first: Final[dict[URL, asyncio.Task[Outcome]]] = {}
        # Those that ended elsewhere go on here: to wait for the other worker, or alone.
        self._elsewhere: Final[dict[URL, Elsewhere]] = {}
        self._waits: Final[dict[URL, asyncio.Task[Outcome]]] = {}
        self._alone: Final[dict[URL, asyncio.Task[Outcome]]] = {}

    async def load(self, urls: Sequence[str]) -> tuple[Picture, ...]:
        """A picture for each URL, in their order; a failure is a status, never an error."""
        checked = [self._check(url) for url in urls]
        wanted = list(dict.fromkeys(url for url in checked if isinstance(url, URL)))
        outcomes = await _landed(self._set_off(wanted))
        elsewhere = {url: found for url, found in outcomes.items() if isinstance(found, Elsewhere)}
        if elsewhere:
            # A post that holds pixels waits for no other worker: that one's post may be waiting for these.
            alone = any(
                isinstance(found, Picture) and found.pixels is not None for found in outcomes.values()
            )
            outcomes |= await _landed(
                {url: self._set_off_again(url, found, alone=alone) for url, found in elsewhere.items()}
            )
        return tuple(
            _under(url, outcomes[key]) if isinstance(key, URL) else Picture(url, key)
            for url, key in zip(urls, checked, strict=True)
        )

    async def end(self) -> None:
        """Break off every flight."""
        flights = [*self._first.values(), *self._waits.values(), *self._alone.values()]
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

    def _set_off(self, urls: Sequence[URL]) -> dict[URL, asyncio.Task[Outcome]]:
        fresh = [url for url in urls if url not in self._first]
        self._metrics.flights_joined.labels("here").inc(len(urls) - len(fresh))
        if fresh:
            memories = asyncio.create_task(self._recall(fresh))
            for url in fresh:
                flight = asyncio.create_task(self._safely(url, self._fly(url, memories)))
                self._first[url] = flight
                flight.add_done_callback(partial(_drop, self._first, url))
        return {url: self._first[url] for url in urls}

    def _set_off_again(self, url: URL, found: Elsewhere, *, alone: bool) -> asyncio.Task[Outcome]:
        flights = self._alone if alone else self._waits
        if url not in flights:
            way = self._go_alone(url, found) if alone else self._wait(url, found)
            flights[url] = flight = asyncio.create_task(self._safely(url, way))
            flight.add_done_callback(partial(_drop, flights, url))
        return flights[url]

    def _known(self, url: URL, memory: Memory) -> Picture | None:
        if memory.failure is not None:
            return Picture(str(url), memory.failure)
        if memory.content is None:
            return None
        if memory.features is not None:
            return Picture(str(url), ImageStatus.OK, memory.content, features=memory.features)
        pixels = self._source.pixels(memory.content)
        return None if pixels is None else Picture(str(url), ImageStatus.OK, memory.content, pixels=pixels)

    async def _safely(self, url: URL, flight: Coroutine[None, None, Outcome]) -> Outcome:
        try:
            return await flight
        except NoPicture as lost:
            return Picture(str(url), lost.status)
        except Exception as error:  # noqa: BLE001 - a post is never lost to its picture, nor to our bug
            _report(error, host=url.raw_host)
            return Picture(str(url), ImageStatus.UNREACHABLE)

    async def _recall(self, urls: Sequence[URL]) -> dict[URL, Memory]:
        return dict(zip(urls, await self._cache.recall([str(url) for url in urls]), strict=True))

    async def _fly(self, url: URL, memories: asyncio.Task[dict[URL, Memory]]) -> Outcome:
        memory = (await memories)[url]
        if (known := self._known(url, memory)) is not None:
            return known
        if (found := self._elsewhere.get(url)) is not None:
            return found
        lease = url_identity(str(url))
        if not await self._cache.take(lease):
            self._metrics.flights_joined.labels("in another worker").inc()
            return Elsewhere(lease)
        return await self._source.obtain(url, memory)

    async def _wait(self, url: URL, found: Elsewhere) -> Outcome:
        """Look for what another worker finds; where it dies or takes too long, go oneself."""
        self._elsewhere[url] = found
        try:
            until = monotonic() + self._flight_wait
            while monotonic() < until:
                if (known := self._known(url, await self._cache.look_again(str(url)))) is not None:
                    return known
                if await self._cache.take(found.lease):
                    break
                await asyncio.sleep(_LOOK_SECONDS)
            return await self._go_alone(url, found)
        finally:
            del self._elsewhere[url]

    async def _go_alone(self, url: URL, found: Elsewhere) -> Outcome:
        memory = await self._cache.look_again(str(url))
        if (known := self._known(url, memory)) is not None:
            return known
        if (spare := self._source.adopt(found)) is not None:
            return spare
        return await self._source.obtain(url, memory, alone=True)


def _drop(flights: dict[URL, asyncio.Task[Outcome]], url: URL, _: asyncio.Task[Outcome]) -> None:
    del flights[url]


async def _landed(flights: Mapping[URL, asyncio.Task[Outcome]]) -> dict[URL, Outcome]:
    # Waited for, not awaited: whoever gives up waiting must not end a flight that others wait for.
    if flights:
        await asyncio.wait(flights.values())
    return {url: flight.result() for url, flight in flights.items()}


def _under(url: str, outcome: Outcome) -> Picture:
    """The picture as the post asked for it."""
    if isinstance(outcome, Elsewhere):
        raise TypeError("a second flight ends with a picture")
    return replace(outcome, url=url)


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
            source = Source(settings, fetcher=fetcher, cache=cache, decoder=decoder, metrics=metrics)
            loader = Loader(settings, guard=guard, source=source, cache=cache, metrics=metrics)
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
