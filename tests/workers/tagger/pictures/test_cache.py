"""What is kept of pictures, where, and for how long."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import redis
from structlog.testing import capture_logs

from schemas import ImageStatus
from tests.workers.tagger.pictures.hosts import Count
from tests.workers.tagger.pictures.kept import (
    CHANNELS,
    CONTENT,
    FEATURES,
    URL,
    keep,
    keys,
    recalled,
    share,
    until,
)
from workers.errors import SetupError
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures import round_trips as round_trips_module
from workers.tagger.pictures.answer import Validators
from workers.tagger.pictures.cache import FeatureCache


async def test_features_come_back_bit_for_bit(caching: Any, store: redis.Redis, count: Count) -> None:
    async with caching() as cache:
        assert await recalled(cache) is not None
        await keep(cache, store)
        memory = await recalled(cache)
    assert memory.content == CONTENT
    assert memory.features is not None
    assert memory.features.tobytes() == FEATURES.tobytes()
    assert count("cache_lookups_total", tier="redis", result="miss") == 1
    assert count("cache_lookups_total", tier="redis", result="hit") == 1
    assert count("cache_up") == 1


async def test_a_url_may_be_known_without_its_features(
    caching: Any, store: redis.Redis, count: Count
) -> None:
    async with caching() as cache:
        cache.remember_content(URL, CONTENT, Validators())
        await until(store.dbsize)
        memory = await recalled(cache)
    assert (memory.content, memory.features) == (CONTENT, None)
    assert count("cache_lookups_total", tier="redis", result="url_hit") == 1


async def test_a_failure_is_known_for_its_time(caching: Any, store: redis.Redis, count: Count) -> None:
    async with caching(failure_ttl=7, url_ttl=70, feature_ttl=700) as cache:
        cache.remember_failure(URL, ImageStatus.HTTP_ERROR)
        await until(store.dbsize)
        assert (await recalled(cache)).failure is ImageStatus.HTTP_ERROR
        assert {store.ttl(key) for key in keys(store)} <= {6, 7}
        await keep(cache, store)
    assert count("cache_lookups_total", tier="redis", result="failure_hit") == 1
    assert {store.ttl(key) // 10 for key in keys(store, "*url*")} <= {6, 7}
    assert {store.ttl(key) // 10 for key in keys(store, "*features*")} <= {69, 70}


async def test_features_belong_to_their_backbone(caching: Any, store: redis.Redis) -> None:
    async with caching() as cache:
        await keep(cache, store)
    async with caching(backbone="another") as cache:
        memory = await recalled(cache)
        assert (memory.content, memory.features) == (CONTENT, None)
        assert await cache.features(CONTENT) is None


async def test_who_is_at_a_picture_for_another_backbone_is_of_no_use(
    caching: Any, store: redis.Redis
) -> None:
    async with caching() as cache, caching(backbone="another") as other, caching() as late:
        assert await cache.take(CONTENT)
        assert await other.take(CONTENT)
        assert not await late.take(CONTENT)


async def test_a_picture_under_two_urls_is_stored_once(
    caching: Any, store: redis.Redis, count: Count
) -> None:
    async with caching() as cache:
        await keep(cache, store)
        cache.remember_content(URL + "?again", CONTENT, Validators())
        await until(lambda: store.dbsize() == 3)
        both = await cache.recall([URL, URL + "?again", URL + "?unknown"])
        assert [memory.features is not None for memory in both] == [True, True, False]
        assert await cache.features(CONTENT) is not None
    assert len(keys(store, "rpbert:features:*")) == 1
    assert count("cache_lookups_total", tier="redis", result="content_hit") == 1


async def test_what_waits_at_the_same_moment_goes_in_one_round_trip(
    caching: Any, store: redis.Redis, count: Count
) -> None:
    def round_trips() -> float:
        return count("stage_duration_seconds_count", stage="cache")

    async with caching() as cache:
        await keep(cache, store)
        await recalled(cache)
        before = round_trips()
        found = await asyncio.gather(*(recalled(cache) for _ in range(20)))
        assert all(memory.features is not None for memory in found)
        # One for where twenty posts' URLs lead, one for the features of the pictures there.
        assert round_trips() - before == 2
        reads = asyncio.gather(*(cache.recall([f"{URL}?{number}"]) for number in range(20)))
        share(cache, FEATURES)
        cache.remember_failure("http://images.example/b", ImageStatus.BROKEN)
        await reads
        # Twenty reads and two writes.
        assert round_trips() - before == 3
    assert store.info("commandstats")["cmdstat_get"]["calls"] >= 60


async def test_bytes_are_counted_both_ways(caching: Any, store: redis.Redis, count: Count) -> None:
    async with caching() as cache:
        await keep(cache, store)
        written = count("cache_bytes_total", direction="written")
        assert written == sum(store.strlen(key) for key in keys(store))
        await recalled(cache)
        assert count("cache_bytes_total", direction="read") == written


async def test_a_lead_that_can_be_asked_for_changes_stays_longer(caching: Any, store: redis.Redis) -> None:
    async with caching(url_ttl=70, feature_ttl=700) as cache:
        cache.remember_content(URL, CONTENT, Validators('"a"'))
        await until(store.dbsize)
    assert {store.ttl(key) // 10 for key in keys(store)} <= {69, 70}


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"1", id="short"),
        pytest.param(b"\x80\x04\x95pickle" + bytes(900), id="pickle"),
        pytest.param(b"RPB2" + bytes(900), id="our magic only"),
        pytest.param(b"RPB1\x01" + bytes(48), id="an older version"),
    ],
)
async def test_a_foreign_value_is_a_miss_and_is_overwritten(
    caching: Any, store: redis.Redis, count: Count, value: bytes
) -> None:
    async with caching() as cache:
        await keep(cache, store)
        for key in keys(store):
            store.set(key, value)
        assert (await recalled(cache)).content is None
        assert await cache.features(CONTENT) is None
        assert count("cache_foreign_values_total") >= 2
        cache.remember_content(URL, CONTENT, Validators())
        share(cache, FEATURES)
        await until(lambda: value not in store.mget(keys(store)))
        assert (await recalled(cache)).features is not None


async def test_a_key_of_another_type_is_a_miss(caching: Any, store: redis.Redis) -> None:
    async with caching() as cache:
        await keep(cache, store)
        for key in keys(store):
            store.delete(key)
            store.rpush(key, "list")
        memory = await recalled(cache)
        assert (memory.content, memory.features) == (None, None)
        await keep(cache, store)
        await until(lambda: store.type(keys(store)[0]) == b"string")


async def test_features_of_a_wrong_shape_are_not_kept(caching: Any, store: redis.Redis) -> None:
    async with caching() as cache:
        with capture_logs() as logs:
            share(cache, FEATURES[:, :-1])
        cache.remember_content(URL, CONTENT, Validators())
        await until(store.dbsize)
        assert keys(store, "rpbert:features:*") == []
    assert [line["log_level"] for line in logs] == ["error"]


async def test_what_waits_to_be_written_is_bounded(
    caching: Any, store: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(round_trips_module, "_MOST_WRITES", 3)
    async with caching() as cache:
        for number in range(10):
            cache.remember_content(f"{URL}?{number}", CONTENT, Validators())
        await until(lambda: store.dbsize() == 3)
        cache.remember_content(URL, CONTENT, Validators())
        await until(lambda: store.dbsize() == 4)


@pytest.mark.parametrize("url", [None, ""])
async def test_without_a_redis_nothing_is_known(caching: Any, url: str | None, count: Count) -> None:
    async with caching(redis_url=url) as cache:
        cache.remember_content(URL, CONTENT, Validators())
        share(cache, FEATURES)
        assert (await recalled(cache)).content is None
        assert await cache.features(CONTENT) is None
    assert count("cache_up") == 0


async def test_without_a_redis_its_own_memory_serves(caching: Any, count: Count) -> None:
    async with caching(redis_url=None, local_cache_mb=1) as cache:
        cache.remember_content(URL, CONTENT, Validators())
        share(cache, FEATURES)
        memory = await recalled(cache)
        assert memory.features is FEATURES
    assert count("cache_lookups_total", tier="local", result="hit") == 1
    assert count("cache_local_bytes") == FEATURES.nbytes


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "http://localhost",
        "redis://localhost:port/0",
        "redis+cluster://",
        "redis+cluster://a:1,b:c",
        "redis+cluster://a/3",
        "redis+sentinel://a",
        "redis+sentinel://a/master/no-number",
        "redis+other://a",
        "unix+cluster:///a",
    ],
)
def test_a_wrong_url_is_told_at_once(
    settings: Callable[..., PictureSettings], metrics: Metrics, url: str
) -> None:
    with pytest.raises(SetupError, match="redis_url"):
        FeatureCache(settings(redis_url=url), "backbone", CHANNELS, metrics)
