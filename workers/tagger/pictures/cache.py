"""What is remembered of pictures: where a URL led, and the features of a picture.

Two tiers, this worker's memory and Redis, which all workers share. Two plain keys, so that a picture under
many URLs is stored once:

    rpbert:url:{SHA-256 of the URL}                  the picture's content, or why there is none
    rpbert:features:{backbone}:{content}             its features under that backbone

`leases.py` has a third.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from hashlib import sha256
from time import time
from typing import Final, Literal, TypeVar

import structlog

from schemas import ImageStatus
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures.answer import Validators
from workers.tagger.pictures.connection import Connection
from workers.tagger.pictures.lead import Lead, Memory
from workers.tagger.pictures.leases import Leases
from workers.tagger.pictures.local_tier import LocalTier
from workers.tagger.pictures.picture import Features, Pixels
from workers.tagger.pictures.round_trips import RoundTrips
from workers.tagger.pictures.values import Foreign, pack_features, pack_lead, unpack_features, unpack_lead

REGIONS: Final = 49

_T = TypeVar("_T")

_log = structlog.get_logger(__name__)


class FeatureCache:
    """Both tiers and the leases; it never raises, and goes on by itself while Redis is in trouble.

    Belongs to one event loop, but for `described` and `keep_features`, which any thread may call.
    """

    def __init__(
        self, settings: PictureSettings, backbone_digest: str, feature_channels: int, metrics: Metrics
    ) -> None:
        """Connects to nothing yet.

        Raises:
            workers.errors.SetupError: `redis_url` is no Redis URL.
        """
        self._settings: Final = settings
        self._backbone: Final = backbone_digest
        self._shape: Final = (REGIONS, feature_channels)
        self._metrics: Final = metrics
        metrics.cache_configured.set(bool(settings.redis_url))
        self._local: Final = LocalTier(settings.local_cache_mb, metrics)
        self._connection: Final = (
            Connection(settings.redis_url, settings.cache_timeout, metrics) if settings.redis_url else None
        )
        self._round_trips: Final = None if self._connection is None else RoundTrips(self._connection, metrics)
        self._leases: Final = (
            None if self._round_trips is None else Leases(self._round_trips, backbone_digest)
        )

    async def run(self) -> None:
        """Speak to Redis and watch over it, for ever; run it as a task."""
        if self._connection is None or self._round_trips is None or self._leases is None:
            return
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._connection.watch())
                tasks.create_task(self._round_trips.run())
                tasks.create_task(self._leases.run())
        finally:
            await self._connection.close()

    async def recall(self, urls: Sequence[str]) -> list[Memory]:
        """What is known of each URL, in two round trips at most."""
        found = [self._local.recall(url) for url in urls]
        for memory in found:
            self._metrics.cache_lookups.labels("local", _result(memory)).inc()
        open_urls = [url for url, memory in zip(urls, found, strict=True) if not memory.settled]
        if self._round_trips is None or not open_urls:
            return found
        shared = await self._recall_shared(self._round_trips, open_urls)
        for memory in shared.values():
            self._metrics.cache_lookups.labels("redis", _result(memory)).inc()
        return [shared.get(url, memory) for url, memory in zip(urls, found, strict=True)]

    async def look_again(self, url: str) -> Memory:
        """What is known of a URL by now; not counted, since it was when it was first asked for."""
        memory = self._local.recall(url)
        if self._round_trips is None or memory.settled:
            return memory
        return (await self._recall_shared(self._round_trips, [url]))[url]

    async def features(self, content: str) -> Features | None:
        """The features of a picture that came under an unknown URL."""
        found, tier = self._local.features(content), "local"
        if found is None and self._round_trips is not None:
            found, tier = (await self._shared_features(self._round_trips, [content])).get(content), "redis"
        if found is not None:
            self._metrics.cache_lookups.labels(tier, "content_hit").inc()
        return found

    def described(self, content: str) -> Features | None:
        """The features of a picture, if this worker has them at hand; from any thread."""
        return self._local.features(content)

    async def take(self, identity: str) -> bool:
        """Whether this worker is to fetch a URL or describe a content; False while another is at it."""
        return True if self._leases is None else await self._leases.take(identity)

    def keep_leases(self, identities: Sequence[str], pixels: Pixels) -> None:
        """Hold leases as long as a post holds these pixels."""
        if self._leases is not None:
            self._leases.keep(identities, pixels)

    def leave(self, identity: str) -> None:
        """Hold a lease no longer."""
        if self._leases is not None:
            self._leases.leave(identity)

    def remember_content(self, url: str, content: str, validators: Validators) -> None:
        """Keep where a URL led; longer than it is taken as it is, if its host can be asked for changes."""
        ttl = self._settings.url_ttl
        lead = Lead(time() + ttl, content=content, validators=validators)
        self._remember(url, lead, max(ttl, self._settings.feature_ttl) if validators else ttl)

    def remember_failure(self, url: str, status: ImageStatus) -> None:
        """Keep that a URL led nowhere, shortly."""
        ttl = self._settings.failure_ttl
        self._remember(url, Lead(time() + ttl, failure=status), ttl)

    def keep_features(self, content: str, features: Features) -> bool:
        """Keep a picture's features in this worker; from any thread. Whether they are worth sharing."""
        if features.shape != self._shape:
            _log.error("features of a wrong shape are not kept", shape=features.shape, expected=self._shape)
            return False
        self._local.keep_features(content, features)
        return True

    def share_features(self, content: str, features: Features) -> None:
        """Keep a picture's features in Redis."""
        if self._round_trips is not None and self._round_trips.writable:
            key = self._feature_key(content)
            self._write(key, pack_features(key, features), self._settings.feature_ttl)

    def _remember(self, url: str, lead: Lead, ttl: int) -> None:
        self._local.keep_lead(url, lead)
        key = _url_key(url)
        self._write(key, pack_lead(key, lead), ttl)

    def _write(self, key: bytes, value: bytes, ttl: int) -> None:
        if self._round_trips is not None:
            self._round_trips.write(("SET", key, value, "EX", ttl))
            self._metrics.cache_bytes.labels("written").inc(len(value))

    async def _recall_shared(self, round_trips: RoundTrips, urls: Sequence[str]) -> dict[str, Memory]:
        leads = {url: self._local.recall(url).lead for url in urls}
        unknown = [url for url, lead in leads.items() if lead is None or not lead.fresh]
        keys = [_url_key(url) for url in unknown]
        for url, lead in zip(unknown, await self._values(round_trips, keys, unpack_lead), strict=True):
            # Its own memory of a lead whose time is over still serves to ask the host for changes.
            if lead is not None:
                leads[url] = lead
                self._local.keep_lead(url, lead)
        contents = [lead.content for lead in leads.values() if lead is not None and lead.content is not None]
        features = await self._shared_features(round_trips, contents)
        return {
            url: Memory(lead, features.get(lead.content) if lead is not None and lead.content else None)
            for url, lead in leads.items()
        }

    async def _shared_features(self, round_trips: RoundTrips, contents: Sequence[str]) -> dict[str, Features]:
        found = {content: self._local.features(content) for content in contents}
        unknown = [content for content, features in found.items() if features is None]
        keys = [self._feature_key(content) for content in unknown]
        values = await self._values(round_trips, keys, self._unpack_features)
        for content, features in zip(unknown, values, strict=True):
            found[content] = features
            if features is not None:
                self._local.keep_features(content, features)
        return {content: features for content, features in found.items() if features is not None}

    async def _values(
        self, round_trips: RoundTrips, keys: Sequence[bytes], unpack: Callable[[bytes, object], _T]
    ) -> list[_T | None]:
        values = await round_trips.ask([("GET", key) for key in keys])
        if values is None:
            return [None] * len(keys)
        return [self._judged(unpack, key, value) for key, value in zip(keys, values, strict=True)]

    def _judged(self, unpack: Callable[[bytes, object], _T], key: bytes, value: object) -> _T | None:
        if value is None:
            return None
        if isinstance(value, bytes):
            self._metrics.cache_bytes.labels("read").inc(len(value))
        try:
            return unpack(key, value)
        except Foreign:
            self._metrics.cache_foreign.inc()
            return None

    def _unpack_features(self, key: bytes, value: object) -> Features:
        return unpack_features(key, value, self._shape)

    def _feature_key(self, content: str) -> bytes:
        return f"rpbert:features:{self._backbone}:{content}".encode()


def url_identity(url: str) -> str:
    """What a URL is called in keys, its SHA-256: short, and no secret of its query shows in Redis."""
    return sha256(url.encode()).hexdigest()


def _url_key(url: str) -> bytes:
    return f"rpbert:url:{url_identity(url)}".encode()


def _result(memory: Memory) -> Literal["hit", "url_hit", "failure_hit", "miss"]:
    if memory.failure is not None:
        return "failure_hit"
    if memory.content is None:
        return "miss"
    return "hit" if memory.features is not None else "url_hit"
