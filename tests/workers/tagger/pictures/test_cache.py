import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
from structlog.testing import capture_logs

from schemas import ImageStatus
from workers.errors import SetupError
from workers.local.valkey import ValkeyServer
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures import connection as connection_module
from workers.tagger.pictures import round_trips as round_trips_module
from workers.tagger.pictures.answer import Validators
from workers.tagger.pictures.cache import FeatureCache
from workers.tagger.pictures.lead import Memory
from workers.tagger.pictures.picture import Features

Count = Callable[..., float]
CHANNELS = 8
CONTENT = "0f" * 32
FEATURES = np.random.default_rng(0).standard_normal((49, CHANNELS)).astype(np.float16)
URL = "http://images.example/a.jpg"


@pytest.fixture
def store(valkey: ValkeyServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
        yield client
        client.flushall()


@pytest.fixture
def opened(settings: Callable[..., PictureSettings], metrics: Metrics, valkey: ValkeyServer) -> Any:
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


@pytest.fixture
def short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "_PAUSE", 0.05)


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


async def test_features_come_back_bit_for_bit(opened: Any, store: redis.Redis, count: Count) -> None:
    async with opened() as cache:
        assert await recalled(cache) is not None
        await keep(cache, store)
        memory = await recalled(cache)
    assert memory.content == CONTENT
    assert memory.features is not None
    assert memory.features.tobytes() == FEATURES.tobytes()
    assert count("cache_lookups_total", tier="redis", result="miss") == 1
    assert count("cache_lookups_total", tier="redis", result="hit") == 1
    assert count("cache_up") == 1


async def test_a_url_may_be_known_without_its_features(opened: Any, store: redis.Redis, count: Count) -> None:
    async with opened() as cache:
        cache.remember_content(URL, CONTENT, Validators())
        await until(store.dbsize)
        memory = await recalled(cache)
    assert (memory.content, memory.features) == (CONTENT, None)
    assert count("cache_lookups_total", tier="redis", result="url_hit") == 1


async def test_a_failure_is_known_for_its_time(opened: Any, store: redis.Redis, count: Count) -> None:
    async with opened(failure_ttl=7, url_ttl=70, feature_ttl=700) as cache:
        cache.remember_failure(URL, ImageStatus.HTTP_ERROR)
        await until(store.dbsize)
        assert (await recalled(cache)).failure is ImageStatus.HTTP_ERROR
        assert {store.ttl(key) for key in keys(store)} <= {6, 7}
        await keep(cache, store)
    assert count("cache_lookups_total", tier="redis", result="failure_hit") == 1
    assert {store.ttl(key) // 10 for key in keys(store, "*url*")} <= {6, 7}
    assert {store.ttl(key) // 10 for key in keys(store, "*features*")} <= {69, 70}


async def test_features_belong_to_their_backbone(opened: Any, store: redis.Redis) -> None:
    async with opened() as cache:
        await keep(cache, store)
    async with opened(backbone="another") as cache:
        memory = await recalled(cache)
        assert (memory.content, memory.features) == (CONTENT, None)
        assert await cache.features(CONTENT) is None


async def test_who_is_at_a_picture_for_another_backbone_is_of_no_use(opened: Any, store: redis.Redis) -> None:
    async with opened() as cache, opened(backbone="another") as other, opened() as late:
        assert await cache.take(CONTENT)
        assert await other.take(CONTENT)
        assert not await late.take(CONTENT)


async def test_a_picture_under_two_urls_is_stored_once(opened: Any, store: redis.Redis, count: Count) -> None:
    async with opened() as cache:
        await keep(cache, store)
        cache.remember_content(URL + "?again", CONTENT, Validators())
        await until(lambda: store.dbsize() == 3)
        both = await cache.recall([URL, URL + "?again", URL + "?unknown"])
        assert [memory.features is not None for memory in both] == [True, True, False]
        assert await cache.features(CONTENT) is not None
    assert len(keys(store, "rpbert:features:*")) == 1
    assert count("cache_lookups_total", tier="redis", result="content_hit") == 1


async def test_what_waits_at_the_same_moment_goes_in_one_round_trip(
    opened: Any, store: redis.Redis, count: Count
) -> None:
    def round_trips() -> float:
        return count("stage_duration_seconds_count", stage="cache")

    async with opened() as cache:
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


async def test_bytes_are_counted_both_ways(opened: Any, store: redis.Redis, count: Count) -> None:
    async with opened() as cache:
        await keep(cache, store)
        written = count("cache_bytes_total", direction="written")
        assert written == sum(store.strlen(key) for key in keys(store))
        await recalled(cache)
        assert count("cache_bytes_total", direction="read") == written


async def test_a_lead_that_can_be_asked_for_changes_stays_longer(opened: Any, store: redis.Redis) -> None:
    async with opened(url_ttl=70, feature_ttl=700) as cache:
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
    opened: Any, store: redis.Redis, count: Count, value: bytes
) -> None:
    async with opened() as cache:
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


async def test_a_key_of_another_type_is_a_miss(opened: Any, store: redis.Redis) -> None:
    async with opened() as cache:
        await keep(cache, store)
        for key in keys(store):
            store.delete(key)
            store.rpush(key, "list")
        memory = await recalled(cache)
        assert (memory.content, memory.features) == (None, None)
        await keep(cache, store)
        await until(lambda: store.type(keys(store)[0]) == b"string")


async def test_features_of_a_wrong_shape_are_not_kept(opened: Any, store: redis.Redis) -> None:
    async with opened() as cache:
        with capture_logs() as logs:
            share(cache, FEATURES[:, :-1])
        cache.remember_content(URL, CONTENT, Validators())
        await until(store.dbsize)
        assert keys(store, "rpbert:features:*") == []
    assert [line["log_level"] for line in logs] == ["error"]


async def test_what_waits_to_be_written_is_bounded(
    opened: Any, store: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(round_trips_module, "_MOST_WRITES", 3)
    async with opened() as cache:
        for number in range(10):
            cache.remember_content(f"{URL}?{number}", CONTENT, Validators())
        await until(lambda: store.dbsize() == 3)
        cache.remember_content(URL, CONTENT, Validators())
        await until(lambda: store.dbsize() == 4)


@pytest.mark.parametrize("url", [None, ""])
async def test_without_a_redis_nothing_is_known(opened: Any, url: str | None, count: Count) -> None:
    async with opened(redis_url=url) as cache:
        cache.remember_content(URL, CONTENT, Validators())
        share(cache, FEATURES)
        assert (await recalled(cache)).content is None
        assert await cache.features(CONTENT) is None
    assert count("cache_up") == 0


async def test_without_a_redis_its_own_memory_serves(opened: Any, count: Count) -> None:
    async with opened(redis_url=None, local_cache_mb=1) as cache:
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


@pytest.mark.usefixtures("short_pause")
async def test_redis_may_go_and_come_back(
    opened: Any, valkey: ValkeyServer, store: redis.Redis, count: Count
) -> None:
    with capture_logs() as logs:
        async with opened() as cache:
            await keep(cache, store)
            valkey.kill()
            try:
                for _ in range(20):
                    assert (await recalled(cache)).content is None
                    cache.remember_content(URL, CONTENT, Validators())
                    await asyncio.sleep(0.01)
                assert count("cache_up") == 0
                assert [line["log_level"] for line in logs] == ["warning"]
            finally:
                valkey.start()
            await until(lambda: count("cache_up") == 1)
            await keep(cache, store)
            assert (await recalled(cache)).features is not None
    assert [line["log_level"] for line in logs] == ["warning", "info"]


@pytest.mark.usefixtures("short_pause")
async def test_a_redis_that_does_not_answer_is_left_alone(opened: Any, count: Count) -> None:
    connections = 0

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        with suppress(ConnectionError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with capture_logs() as logs:
        async with server, opened(redis_url=f"redis://127.0.0.1:{port}", cache_timeout=0.1) as cache:
            assert (await recalled(cache)).content is None
            at_first = connections
            for _ in range(1_000):
                assert (await recalled(cache)).content is None
            # Not one more of the thousand asked; only the watch may have.
            assert connections - at_first <= 1
            await until(lambda: connections > at_first)
    assert [line["why"] for line in logs] == ["it is too slow"]
    assert count("cache_up") == 0


async def test_what_listens_need_not_be_a_redis(opened: Any) -> None:
    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.read(100)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(web, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with capture_logs() as logs:
        async with server, opened(redis_url=f"redis://127.0.0.1:{port}") as cache:
            assert (await recalled(cache)).content is None
    assert [line["log_level"] for line in logs] == ["warning"]


async def test_a_wrong_password_is_told_without_the_password(
    opened: Any, valkey: ValkeyServer, count: Count
) -> None:
    url = valkey.url.replace("redis://", "redis://someone:hunter2@")
    with capture_logs() as logs:
        async with opened(redis_url=url) as cache:
            for _ in range(5):
                assert (await recalled(cache)).content is None
    assert [line["why"] for line in logs] == ["it refuses the user or password"]
    assert "hunter2" not in str(logs)
    assert count("cache_up") == 0


@pytest.mark.usefixtures("short_pause")
async def test_a_full_redis_still_answers(opened: Any, store: redis.Redis, count: Count) -> None:
    with capture_logs() as logs:
        async with opened() as cache:
            await keep(cache, store)
            before: Any = store.config_get("maxmemory*")
            store.config_set("maxmemory-policy", "noeviction")
            store.config_set("maxmemory", 1)
            try:
                for number in range(20):
                    cache.remember_content(f"{URL}?{number}", CONTENT, Validators())
                    await asyncio.sleep(0.01)
                await until(lambda: count("cache_up") == 0)
                assert (await recalled(cache)).features is not None
                assert count("cache_up") == 0
                assert [line["why"] for line in logs] == ["it is full; set maxmemory-policy allkeys-lru"]
            finally:
                for name, value in sorted(before.items()):
                    store.config_set(name, value)

            def written() -> bool:
                cache.remember_content(URL, CONTENT, Validators())
                return count("cache_up") == 1

            await until(written)
    assert [line["log_level"] for line in logs] == ["warning", "info"]


@pytest.mark.usefixtures("short_pause")
@pytest.mark.parametrize("refused", ["set", "get"])
async def test_a_user_without_a_right_is_told_and_work_goes_on(
    opened: Any, valkey: ValkeyServer, store: redis.Redis, count: Count, refused: str
) -> None:
    rights = ["+get", "+set", "+pexpire", "+client|setinfo", "+select", "+hello", f"-{refused}"]
    store.acl_setuser("few", enabled=True, passwords=["+x"], keys=["rpbert:*"], commands=rights)
    try:
        with capture_logs() as logs:
            async with opened(redis_url=valkey.url.replace("redis://", "redis://few:x@")) as cache:
                cache.remember_content(URL, CONTENT, Validators())
                await until(lambda: count("cache_up") == 0 and logs)
                assert (await recalled(cache)).content is None
        assert logs[0]["why"] == (
            "its user may not run a command that is needed; docs/cache.md lists the rights"
        )
    finally:
        store.acl_deluser("few")


@pytest.mark.usefixtures("short_pause")
async def test_a_redis_that_lacks_a_command_is_gone_on_without(
    opened: Any, count: Count, tmp_path: Path
) -> None:
    # As one of a version that does not know it.
    (tmp_path / "old.conf").write_text('rename-command SET ""\n')
    options = {"include": str(tmp_path / "old.conf")}
    with capture_logs() as logs, ValkeyServer(options=options) as server:
        async with opened(redis_url=server.url) as cache:
            cache.remember_content(URL, CONTENT, Validators())
            await until(lambda: count("cache_up") == 0 and logs)
            assert (await recalled(cache)).content is None
    assert logs[0]["why"] == "it refuses the command"


async def test_the_end_comes_at_whatever_moment_it_is_asked_for(
    valkey: ValkeyServer, metrics: Metrics
) -> None:
    # Under Python 3.11 redis-py lost a cancellation that met the end of a write (gh-86296).
    for steps in range(40):
        connection = connection_module.Connection(valkey.url, 5.0, metrics)
        asking = asyncio.create_task(connection.run([("GET", b"key")]))
        for _ in range(steps):
            await asyncio.sleep(0)
        if asking.cancel():
            await asyncio.wait([asking])
            assert asking.cancelled()
        await connection.close()
