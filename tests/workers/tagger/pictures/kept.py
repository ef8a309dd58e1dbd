"""What the tests of the cache keep in it, and how they ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import redis

from workers.tagger.pictures.answer import Validators
from workers.tagger.pictures.cache import FeatureCache
from workers.tagger.pictures.lead import Memory
from workers.tagger.pictures.picture import Features

CHANNELS = 8
CONTENT = "0f" * 32
FEATURES = np.random.default_rng(0).standard_normal((49, CHANNELS)).astype(np.float16)
URL = "http://images.example/a.jpg"


def keys(store: redis.Redis, pattern: str = "*") -> list[bytes]:
    return list(store.scan_iter(pattern))


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is awaited happens in another process
            await asyncio.sleep(0.01)


async def recalled(cache: FeatureCache, url: str = URL) -> Memory:
    (memory,) = await cache.recall([url])
    return memory


def share(cache: FeatureCache, features: Features) -> None:
    if cache.keep_features(CONTENT, features):
        cache.share_features(CONTENT, features)


async def keep(cache: FeatureCache, store: redis.Redis) -> None:
    cache.remember_content(URL, CONTENT, Validators())
    share(cache, FEATURES)
    await until(lambda: store.dbsize() == 2)
