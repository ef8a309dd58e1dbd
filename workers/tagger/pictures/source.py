"""One picture, from its host: a turn, a fetch, then its features if its content is known, else its pixels."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from hashlib import sha256
from time import perf_counter
from typing import Final
from weakref import WeakValueDictionary

from yarl import URL

from schemas import ImageStatus
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures.answer import NotModified, Validators
from workers.tagger.pictures.cache import FeatureCache, url_identity
from workers.tagger.pictures.decoder import Decoder
from workers.tagger.pictures.fetch import Fetcher
from workers.tagger.pictures.lead import Memory
from workers.tagger.pictures.picture import NoPicture, Picture, Pixels
from workers.tagger.pictures.rests import HostRests
from workers.tagger.pictures.turns import Turns

# The guard's own verdicts cost nothing to reach again; what a host did costs it and us a fetch.
_NOT_REMEMBERED: Final = frozenset({ImageStatus.BAD_URL, ImageStatus.REFUSED})


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another worker is at this picture.

    Attributes:
        lease: what that worker has the lease of.
        spare: the picture as it was had here, if it was, for when that worker doesn't finish.
    """

    lease: str
    spare: Picture | None = None


Outcome = Picture | Elsewhere


class Source:
    """Has pictures from their hosts. Belongs to one event loop."""

    def __init__(
        self,
        settings: PictureSettings,
        *,
        fetcher: Fetcher,
        cache: FeatureCache,
        decoder: Decoder,
        metrics: Metrics,
    ) -> None:
        self._fetcher: Final = fetcher
        self._cache: Final = cache
        self._decoder: Final = decoder
        self._metrics: Final = metrics
        self._waited: Final = metrics.stage_seconds.labels("turn")
        self._turns: Final = Turns(
            settings.fetch_concurrency, settings.fetch_per_host, wait=settings.fetch_wait
        )
        # By content, as long as a post holds them: pictures that are to be described or are being so.
        self._undescribed: Final[WeakValueDictionary[str, Pixels]] = WeakValueDictionary()

    def pixels(self, content: str) -> Pixels | None:
        """Those of a picture that is to be described or is being so: the engine describes it once."""
        pixels = self._undescribed.get(content)
        if pixels is not None:
            self._metrics.flights_joined.labels("here").inc()
        return pixels

    def adopt(self, lost: Elsewhere) -> Picture | None:
        """Describe here what was left to another worker, if there is something to describe."""
        picture = lost.spare
        if picture is not None and picture.content is not None and picture.pixels is not None:
            self._undescribed[picture.content] = picture.pixels
            self._cache.keep_leases([lost.lease], picture.pixels)
        return picture

    async def obtain(self, url: URL, memory: Memory, *, alone: bool = False) -> Outcome:
        """The picture at `url`, or that another worker is at it under another URL.

        Args:
            url: where it is, checked by the guard.
            memory: what is known of the URL, which is not enough.
            alone: don't leave it to another worker.

        Raises:
            NoPicture: there is none; the status says why.
        """
        lease = url_identity(str(url))
        began = perf_counter()
        try:
            # The turn lasts until the picture is decoded, so that no pile of undecoded bytes grows.
            async with self._turns.turn(url.raw_host or ""):
                self._waited.observe(perf_counter() - began)
                picture, others = await self._fetch(url, memory)
        except BaseException:
            self._cache.leave(lease)
            raise
        if picture.content is None or picture.pixels is None:
            self._cache.leave(lease)
            return picture
        self._cache.keep_leases([lease, picture.content], picture.pixels)
        if others and not alone:
            # Another worker has it under another URL and describes it.
            return Elsewhere(picture.content, picture)
        return picture

    async def _fetch(self, url: URL, memory: Memory) -> tuple[Picture, bool]:
        """The picture as its host has it, and whether another worker is at it under another URL."""
        try:
            content, data, validators = await self._ask_host(url, memory)
            known = memory.features if memory.lead is not None and memory.lead.content == content else None
            picture, others = Picture(str(url), ImageStatus.OK, content, features=known), False
            if known is None:
                picture, others = await self._describable(url, content, data)
        except HostRests:
            # Nothing was asked, and the host is asked again as soon as its rest is over.
            raise
        except NoPicture as lost:
            self._metrics.fetches.labels(lost.status.value).inc()
            if lost.status not in _NOT_REMEMBERED:
                self._cache.remember_failure(str(url), lost.status)
            raise
        self._metrics.fetches.labels(ImageStatus.OK.value).inc()
        self._cache.remember_content(str(url), content, validators)
        return picture, others

    async def _ask_host(self, url: URL, memory: Memory) -> tuple[str, bytes, Validators]:
        """The content a URL leads to and its bytes; none where the host says that it hasn't changed."""
        lead = memory.lead
        # Without features its bytes are needed, changed or not.
        if lead is not None and lead.content is not None and lead.validators and memory.features is not None:
            answer = await self._fetcher.fetch(url, lead.validators)
            if isinstance(answer, NotModified):
                return lead.content, b"", _over(answer.validators, lead.validators)
        else:
            answer = await self._fetcher.fetch(url)
        return sha256(answer.body).hexdigest(), answer.body, answer.validators

    async def _describable(self, url: URL, content: str, data: bytes) -> tuple[Picture, bool]:
        """Features of a content that another URL led to before, or pixels; and whether others are at it."""
        # Both go in the same round trip.
        features, ours = await asyncio.gather(self._cache.features(content), self._cache.take(content))
        picture = Picture(str(url), ImageStatus.OK, content, features=features)
        if features is not None:
            self._cache.leave(content)
            return picture, False
        if (pixels := self.pixels(content)) is not None:
            return replace(picture, pixels=pixels), False
        try:
            pixels = await self._decoder.decode(data)
        except BaseException:
            self._cache.leave(content)
            raise
        if ours:
            self._undescribed[content] = pixels
        return replace(picture, pixels=pixels), not ours


def _over(new: Validators, old: Validators) -> Validators:
    """What the host left out stays as it was (RFC 9111, 4.3.4)."""
    return Validators(new.etag or old.etag, new.last_modified or old.last_modified)
