"""What the tests of the pictures share: settings for loopback, picture bytes, and a loader to ask."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver
from PIL import Image

from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures.cache import FeatureCache
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


OpenLoader = Callable[..., AbstractAsyncContextManager[Loader]]


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
