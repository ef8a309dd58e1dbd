"""What the tests of the pictures share: settings for loopback, picture bytes, and a loader to ask."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from ipaddress import ip_network
from typing import Any

import pytest
import redis
from aiohttp.abc import AbstractResolver
from aiohttp.resolver import ThreadedResolver
from PIL import Image

from tests.workers.tagger.pictures.hosts import MakeFetcher, OpenLoader
from workers.local.valkey import ValkeyServer
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures.cache import FeatureCache
from workers.tagger.pictures.fetch import Fetcher
from workers.tagger.pictures.guard import Guard
from workers.tagger.pictures.loader import Loader, open_loader
from workers.tagger.pictures.service import PictureService

LOOPBACK = (ip_network("127.0.0.1/32"),)
CHANNELS = 8


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def count(metrics: Metrics) -> Callable[..., float]:
    def value(name: str, **labels: str) -> float:
        return metrics.registry.get_sample_value(f"rpbert_{name}", labels) or 0.0

    return value


@pytest.fixture
def settings() -> Callable[..., PictureSettings]:
    def make(**changes: Any) -> PictureSettings:
        return PictureSettings(
            **{
                "redis_url": None,
                "allow_network": LOOPBACK,
                "decode_processes": 1,
                "decode_timeout": 120,
                **changes,
            }
        )

    return make


@pytest.fixture
def jpeg() -> bytes:
    return encoded("JPEG")


def encoded(
    form: str, size: tuple[int, int] = (320, 240), colour: tuple[int, int, int] = (30, 120, 200)
) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, form)
    return file.getvalue()


@pytest.fixture
def picture() -> Callable[..., bytes]:
    return encoded


@pytest.fixture
def loading(settings: Callable[..., PictureSettings], metrics: Metrics) -> OpenLoader:
    @asynccontextmanager
    async def opened(
        *, resolver: AbstractResolver | None = None, backbone: str = "backbone", **changes: Any
    ) -> AsyncIterator[Loader]:
        chosen = settings(**changes)
        cache = FeatureCache(chosen, backbone, CHANNELS, metrics)
        async with open_loader(chosen, cache, metrics, resolver) as loader:
            yield loader

    return opened


@pytest.fixture
def serving(
    settings: Callable[..., PictureSettings], metrics: Metrics
) -> Iterator[Callable[..., PictureService]]:
    services: list[PictureService] = []

    def started(**changes: Any) -> PictureService:
        service = PictureService(
            settings(**changes), backbone_digest="backbone", feature_channels=CHANNELS, metrics=metrics
        )
        services.append(service)
        service.start()
        return service

    yield started
    for service in services:
        service.close()


@pytest.fixture
async def fetcher(settings: Callable[..., PictureSettings], metrics: Metrics) -> AsyncIterator[MakeFetcher]:
    async with AsyncExitStack() as stack:

        async def made(**changes: Any) -> Fetcher:
            chosen = settings(**changes)
            return await stack.enter_async_context(
                Fetcher(chosen, Guard(chosen, metrics), ThreadedResolver(), metrics)
            )

        yield made


@pytest.fixture
def store(valkey: ValkeyServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
        yield client
        client.flushall()


@pytest.fixture
def caching(settings: Callable[..., PictureSettings], metrics: Metrics, valkey: ValkeyServer) -> Any:
    @asynccontextmanager
    async def running(backbone: str = "backbone", **changes: Any) -> AsyncIterator[FeatureCache]:
        # A busy machine must not look like a slow Redis.
        chosen = settings(**{"redis_url": valkey.url, "cache_timeout": 5.0, "local_cache_mb": 0, **changes})
        cache = FeatureCache(chosen, backbone, CHANNELS, metrics)
        task = asyncio.create_task(cache.run())
        try:
            yield cache
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    return running
