"""Each way to have a Redis, on real Valkey servers that the test starts."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
import redis
import trustme
from structlog.testing import capture_logs

from tests.workers.tagger.pictures.redis_servers import cluster_of_three, sentinel_of, tls_before
from workers.errors import SetupError
from workers.local.ports import LOOPBACK, free_ports
from workers.local.valkey import ValkeyServer
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures import connection as connection_module
from workers.tagger.pictures.answer import Validators
from workers.tagger.pictures.cache import FeatureCache
from workers.tagger.pictures.redis_url import open_redis

CHANNELS = 8
CONTENTS = [f"{number:064x}" for number in range(40)]
FEATURES = np.random.default_rng(0).standard_normal((49, CHANNELS)).astype(np.float16)


@pytest.fixture
def opened(
    settings: Callable[..., PictureSettings], metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> Any:
    monkeypatch.setattr(connection_module, "_PAUSE", 0.1)

    @asynccontextmanager
    async def running(url: str) -> AsyncIterator[FeatureCache]:
        chosen = settings(redis_url=url, cache_timeout=5.0, local_cache_mb=0)
        cache = FeatureCache(chosen, "backbone", CHANNELS, metrics)
        task = asyncio.create_task(cache.run())
        try:
            yield cache
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    return running


def url_of(content: str) -> str:
    return f"http://images.example/{content}"


async def serves(cache: FeatureCache) -> None:
    """Keeps forty pictures, again and again, until all come back."""
    urls = [url_of(content) for content in CONTENTS]
    async with asyncio.timeout(60):
        while True:
            for content, url in zip(CONTENTS, urls, strict=True):
                cache.remember_content(url, content, Validators())
                cache.share_features(content, FEATURES)
            await asyncio.sleep(0.05)
            memories = await cache.recall(urls)
            if all(memory.features is not None for memory in memories):
                break
    assert [memory.content for memory in memories] == CONTENTS
    assert await cache.take(uuid4().hex) is True


UNTRUSTED = "its certificate is not trusted or names another host; name its authority by ssl_ca_certs"
NO_SENTINEL = (
    "no sentinel can be spoken to that knows the master; look at redis_url, with TLS at its ssl_ca_certs"
)


async def refuses(opened: Any, url: str, why: str = UNTRUSTED) -> None:
    """What Redis is told to be is not used, and said why."""
    with capture_logs() as logs:
        async with opened(url) as cache:
            assert [memory.lead for memory in await cache.recall([url_of(CONTENTS[0])])] == [None]
    assert [line["why"] for line in logs] == [why]


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path, Path]:
    """A server's TLS, the file of its authority, and that of another."""
    ours, other = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.issue_cert("localhost", LOOPBACK).configure_cert(context)
    directory = tmp_path_factory.mktemp("authorities")
    files = directory / "ours.pem", directory / "other.pem"
    for authority, file in zip((ours, other), files, strict=True):
        authority.cert_pem.write_to_path(str(file))
    return context, *files


async def test_tls_with_an_authority_of_ones_own(
    opened: Any, valkey: ValkeyServer, authorities: tuple[ssl.SSLContext, Path, Path]
) -> None:
    context, ours, other = authorities
    (door,) = free_ports(1)
    url = f"rediss://localhost:{door}/0"
    async with tls_before(valkey.port, door, context):
        async with opened(f"{url}?ssl_ca_certs={ours}") as cache:
            await serves(cache)
        await refuses(opened, f"{url}?ssl_ca_certs={other}")
        # The system's own authorities.
        await refuses(opened, url)


async def test_tls_to_a_cluster(opened: Any, authorities: tuple[ssl.SSLContext, Path, Path]) -> None:
    context, ours, other = authorities
    ports = free_ports(6)
    doors = dict(zip(ports[:3], ports[3:], strict=True))
    with cluster_of_three(doors) as nodes:
        async with AsyncExitStack() as stack:
            for node in nodes:
                await stack.enter_async_context(tls_before(node.port, doors[node.port], context))
            hosts = ",".join(f"{LOOPBACK}:{door}" for door in doors.values())
            url = f"rediss+cluster://rpbert:word@{hosts}"
            async with opened(f"{url}?ssl_ca_certs={ours}") as cache:
                await serves(cache)
            await refuses(opened, f"{url}?ssl_ca_certs={other}")
        assert all(sizes(nodes))


async def test_tls_to_sentinels_and_to_the_master_they_name(
    opened: Any, valkey: ValkeyServer, authorities: tuple[ssl.SSLContext, Path, Path], tmp_path: Path
) -> None:
    context, ours, other = authorities
    master, watcher = free_ports(2)
    async with tls_before(valkey.port, master, context):
        with sentinel_of(master, tmp_path) as port:
            async with tls_before(port, watcher, context):
                url = f"rediss+sentinel://{LOOPBACK}:{watcher}/ours"
                async with opened(f"{url}?ssl_ca_certs={ours}") as cache:
                    await serves(cache)
                # Of what went wrong with each sentinel the client keeps nothing.
                await refuses(opened, f"{url}?ssl_ca_certs={other}", NO_SENTINEL)


@pytest.mark.parametrize("option", ["ssl_ca_certs", "ssl_certfile", "ssl_keyfile"])
@pytest.mark.parametrize("scheme", ["rediss://a", "rediss+cluster://a", "rediss+sentinel://a/master"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, scheme: str, option: str) -> None:
    file = tmp_path / "none.pem"
    with pytest.raises(SetupError, match=f"redis_url.*{option}.*none.pem"):
        open_redis(f"{scheme}?{option}={file}")


async def test_a_single_server_is_no_cluster(opened: Any, valkey: ValkeyServer) -> None:
    url = f"redis+cluster://{LOOPBACK}:{valkey.port}"
    await refuses(opened, url, "it is no Redis Cluster, or not a whole one")


async def test_a_user_with_the_rights_that_the_docs_list(opened: Any, valkey: ValkeyServer) -> None:
    rights = ["+get", "+set", "+pexpire"]
    with redis.Redis.from_url(valkey.url) as store:
        store.acl_setuser(
            "rpbert", enabled=True, passwords=["+p@ss:word"], keys=["rpbert:*"], commands=rights
        )
        try:
            async with opened(
                valkey.url.replace("redis://", "redis://rpbert:p%40ss%3Aword@").removesuffix("/0")
            ) as cache:
                await serves(cache)
        finally:
            store.acl_deluser("rpbert")


def sizes(nodes: list[ValkeyServer]) -> list[int]:
    found = []
    for node in nodes:
        with redis.Redis(host=LOOPBACK, port=node.port) as store:
            found.append(store.dbsize())
    return found


async def test_a_cluster_of_three(opened: Any) -> None:
    with cluster_of_three() as nodes:
        hosts = ",".join(f"{LOOPBACK}:{node.port}" for node in nodes)
        await refuses(opened, f"redis+cluster://rpbert:wrong@{hosts}", "it refuses the user or password")
        async with opened(f"redis+cluster://rpbert:word@{hosts}") as cache:
            await serves(cache)
            # Eighty values and the lease, spread over all of them.
            assert sum(sizes(nodes)) == 81
            assert all(size > 10 for size in sizes(nodes))
            # What the others hold is used on while one is gone.
            nodes[2].kill()
            urls = [url_of(content) for content in CONTENTS]
            found = [memory.features is not None for memory in await cache.recall(urls)]
            nodes[2].start()
            # Its user went with it.
            with redis.Redis(host=LOOPBACK, port=nodes[2].port) as store:
                store.acl_setuser(
                    "rpbert", enabled=True, nopass=True, keys=["rpbert:*"], categories=["+@all"]
                )
            await serves(cache)
        assert not all(found)


@pytest.fixture
def replicated() -> Iterator[tuple[ValkeyServer, ValkeyServer]]:
    with ExitStack() as stack:
        master = stack.enter_context(ValkeyServer())
        options = {"replicaof": f"{LOOPBACK} {master.port}", "repl-diskless-sync-delay": "0"}
        yield master, stack.enter_context(ValkeyServer(options=options))


async def test_sentinels_name_the_master_also_after_a_failover(
    opened: Any, replicated: tuple[ValkeyServer, ValkeyServer], tmp_path: Path
) -> None:
    master, replica = replicated
    with sentinel_of(master.port, tmp_path) as port:
        async with opened(f"redis+sentinel://{LOOPBACK}:{port}/ours/0") as cache:
            await serves(cache)
            with redis.Redis.from_url(replica.url) as store:
                async with asyncio.timeout(60):
                    while not store.dbsize():  # noqa: ASYNC110 - what is awaited happens in another process
                        await asyncio.sleep(0.05)
                master.kill()
                await serves(cache)
                assert store.role()[0] == b"master"
