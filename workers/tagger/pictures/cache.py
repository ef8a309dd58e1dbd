"""What is remembered of pictures: where a URL led, and the features of a picture.

Two plain keys, so that a picture under many URLs is stored once:

    rpbert:url:{SHA-256 of the URL}                  the picture's content, or why there is none
    rpbert:features:{backbone}:{content}             its features under that backbone
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import Final, TypeVar

import structlog

from schemas import ImageStatus
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures.connection import Connection
from workers.tagger.pictures.picture import Features
from workers.tagger.pictures.values import (
    Foreign,
    pack_content,
    pack_failure,
    pack_features,
    unpack_features,
    unpack_url,
)

REGIONS: Final = 49
# Values written in one round trip, and values that may wait: 512 of the largest are about 100 MB.
_BATCH: Final = 32
_MOST_WAITING: Final = 512

_T = TypeVar("_T")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What the cache knows of a URL: nothing, a failure, a content, or a content with its features."""

    failure: ImageStatus | None = None
    content: str | None = None
    features: Features | None = None


class FeatureCache:
    """Batched reads, writes behind; it never raises, and knows nothing while Redis is in trouble."""

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
        self._waiting: dict[bytes, tuple[bytes, int]] = {}
        self._something_waits: Final = asyncio.Event()
        self._connection: Final = (
            Connection(settings.redis_url, settings.cache_timeout, metrics) if settings.redis_url else None
        )

    async def run(self) -> None:
        """Write behind and watch over Redis, for ever; run it as a task."""
        if self._connection is None:
            return
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._connection.watch())
                tasks.create_task(self._write_behind(self._connection))
        finally:
            await self._connection.close()

    async def recall(self, urls: Sequence[str]) -> list[Memory]:
        """What is known of each URL, in two round trips at most."""
        if self._connection is None:
            return [Memory()] * len(urls)
        with self._metrics.stage("cache_read"):
            keys = [_url_key(url) for url in urls]
            known = [
                self._judged(unpack_url, key, value)
                for key, value in zip(keys, await self._connection.read(keys), strict=True)
            ]
            contents = [entry for entry in known if entry is not None and not isinstance(entry, ImageStatus)]
            features = await self._features(self._connection, contents)
        memories = [
            Memory(failure=entry)
            if isinstance(entry, ImageStatus)
            else Memory(content=entry, features=features.get(entry) if entry else None)
            for entry in known
        ]
        for memory in memories:
            self._metrics.cache_lookups.labels(_result(memory)).inc()
        return memories

    async def features(self, content: str) -> Features | None:
        """The features of a picture that came under an unknown URL."""
        if self._connection is None:
            return None
        with self._metrics.stage("cache_read"):
            features = (await self._features(self._connection, [content])).get(content)
        if features is not None:
            self._metrics.cache_lookups.labels("content_hit").inc()
        return features

    def remember_content(self, url: str, content: str) -> None:
        """Keep where a URL led."""
        key = _url_key(url)
        self._put(key, pack_content(key, content), self._settings.url_ttl)

    def remember_failure(self, url: str, status: ImageStatus) -> None:
        """Keep that a URL led nowhere, shortly."""
        key = _url_key(url)
        self._put(key, pack_failure(key, status), self._settings.failure_ttl)

    def remember_features(self, content: str, features: Features) -> None:
        """Keep a picture's features."""
        if features.shape != self._shape:
            _log.error("features of a wrong shape are not kept", shape=features.shape, expected=self._shape)
            return
        key = self._feature_key(content)
        self._put(key, pack_features(key, features), self._settings.feature_ttl)

    def _put(self, key: bytes, value: bytes, ttl: int) -> None:
        if self._connection is not None and len(self._waiting) < _MOST_WAITING:
            self._waiting[key] = (value, ttl)
            self._something_waits.set()

    async def _write_behind(self, connection: Connection) -> None:
        while True:
            await self._something_waits.wait()
            batch = dict(islice(self._waiting.items(), _BATCH))
            for key in batch:
                del self._waiting[key]
            if not self._waiting:
                self._something_waits.clear()
            with self._metrics.stage("cache_write"):
                await connection.write(batch)

    async def _features(self, connection: Connection, contents: Sequence[str]) -> dict[str, Features]:
        distinct = list(dict.fromkeys(contents))
        keys = [self._feature_key(content) for content in distinct]
        values = await connection.read(keys)
        found = {}
        for content, key, value in zip(distinct, keys, values, strict=True):
            features = self._judged(self._unpack_features, key, value)
            if features is not None:
                found[content] = features
        return found

    def _judged(self, unpack: Callable[[bytes, object], _T], key: bytes, value: object) -> _T | None:
        if value is None:
            return None
        try:
            return unpack(key, value)
        except Foreign:
            self._metrics.cache_lookups.labels("corrupt").inc()
            return None

    def _unpack_features(self, key: bytes, value: object) -> Features:
        return unpack_features(key, value, self._shape)

    def _feature_key(self, content: str) -> bytes:
        return f"rpbert:features:{self._backbone}:{content}".encode()


def _url_key(url: str) -> bytes:
    return b"rpbert:url:" + sha256(url.encode()).hexdigest().encode()


def _result(memory: Memory) -> str:
    if memory.features is not None:
        return "hit"
    if memory.content is not None:
        return "url_hit"
    return "miss" if memory.failure is None else "failure_hit"
