"""Redis in trouble: the worker goes on, says so, and finds it again."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from structlog.testing import capture_logs

from tests.workers.tagger.pictures.hosts import Count
from tests.workers.tagger.pictures.kept import CONTENT, URL, keep, recalled, until
from workers.local.valkey import ValkeyServer
from workers.metrics import Metrics
from workers.tagger.pictures import connection as connection_module
from workers.tagger.pictures.answer import Validators


@pytest.fixture
def short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "_PAUSE", 0.05)


@pytest.mark.usefixtures("short_pause")
async def test_redis_may_go_and_come_back(
    caching: Any, valkey: ValkeyServer, store: redis.Redis, count: Count
) -> None:
    with capture_logs() as logs:
        async with caching() as cache:
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
async def test_a_redis_that_does_not_answer_is_left_alone(caching: Any, count: Count) -> None:
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
        async with server, caching(redis_url=f"redis://127.0.0.1:{port}", cache_timeout=0.1) as cache:
            assert (await recalled(cache)).content is None
            at_first = connections
            for _ in range(1_000):
                assert (await recalled(cache)).content is None
            # Not one more of the thousand asked; only the watch may have.
            assert connections - at_first <= 1
            await until(lambda: connections > at_first)
    assert [line["why"] for line in logs] == ["it is too slow"]
    assert count("cache_up") == 0


async def test_what_listens_need_not_be_a_redis(caching: Any) -> None:
    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.read(100)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(web, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with capture_logs() as logs:
        async with server, caching(redis_url=f"redis://127.0.0.1:{port}") as cache:
            assert (await recalled(cache)).content is None
    assert [line["log_level"] for line in logs] == ["warning"]


async def test_a_wrong_password_is_told_without_the_password(
    caching: Any, valkey: ValkeyServer, count: Count
) -> None:
    url = valkey.url.replace("redis://", "redis://someone:hunter2@")
    with capture_logs() as logs:
        async with caching(redis_url=url) as cache:
            for _ in range(5):
                assert (await recalled(cache)).content is None
    assert [line["why"] for line in logs] == ["it refuses the user or password"]
    assert "hunter2" not in str(logs)
    assert count("cache_up") == 0


@pytest.mark.usefixtures("short_pause")
async def test_a_full_redis_still_answers(caching: Any, store: redis.Redis, count: Count) -> None:
    with capture_logs() as logs:
        async with caching() as cache:
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
    caching: Any, valkey: ValkeyServer, store: redis.Redis, count: Count, refused: str
) -> None:
    rights = ["+get", "+set", "+pexpire", "+client|setinfo", "+select", "+hello", f"-{refused}"]
    store.acl_setuser("few", enabled=True, passwords=["+x"], keys=["rpbert:*"], commands=rights)
    try:
        with capture_logs() as logs:
            async with caching(redis_url=valkey.url.replace("redis://", "redis://few:x@")) as cache:
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
    caching: Any, count: Count, tmp_path: Path
) -> None:
    # As one of a version that does not know it.
    (tmp_path / "old.conf").write_text('rename-command SET ""\n')
    options = {"include": str(tmp_path / "old.conf")}
    with capture_logs() as logs, ValkeyServer(options=options) as server:
        async with caching(redis_url=server.url) as cache:
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
