"""One flight per picture across workers: each loader has its own cache and metrics, as a worker has."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
import redis
from aiohttp import web

from workers.local.picture_faults import hanging, status
from workers.local.picture_host import PictureHost
from workers.local.valkey import ValkeyServer
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures import leases as leases_module
from workers.tagger.pictures.cache import FeatureCache
from workers.tagger.pictures.loader import Loader, open_loader
from workers.tagger.pictures.picture import Picture

CHANNELS = 8
FEATURES = np.random.default_rng(0).standard_normal((49, CHANNELS)).astype(np.float16)


@pytest.fixture
def working(settings: Callable[..., PictureSettings], valkey: ValkeyServer) -> Any:
    with redis.Redis.from_url(valkey.url) as store:
        store.flushall()

    @asynccontextmanager
    async def opened(**changes: Any) -> AsyncIterator[tuple[Loader, Callable[..., float]]]:
        chosen = settings(**{"redis_url": valkey.url, "cache_timeout": 5.0, "flight_wait": 60.0, **changes})
        metrics = Metrics()

        def count(name: str, **labels: str) -> float:
            return metrics.registry.get_sample_value(f"rpbert_{name}", labels) or 0.0

        cache = FeatureCache(chosen, "backbone", CHANNELS, metrics)
        async with open_loader(chosen, cache, metrics) as loader:
            yield loader, count

    return opened


def describe(loader: Loader, picture: Picture) -> None:
    """What the engine does with a picture that has pixels."""
    assert picture.content is not None
    assert loader._cache.keep_features(picture.content, FEATURES)
    loader._cache.share_features(picture.content, FEATURES)


async def joined(count: Callable[..., float], number: int = 1) -> None:
    async with asyncio.timeout(30):
        while count("image_flights_joined_total", where="in another worker") < number:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_two_workers_race_and_one_fetches_and_describes(
    working: Any, picture_host: PictureHost, jpeg: bytes
) -> None:
    url = picture_host.add("a.jpg", jpeg)
    async with working() as (first, _), working() as (second, _):
        races = {asyncio.create_task(loader.load([url])): loader for loader in (first, second)}
        (won,), (waiting,) = await asyncio.wait(races, return_when=asyncio.FIRST_COMPLETED)
        (held,) = won.result()
        assert held.pixels is not None
        # Longer than a lease lasts, while the engine has not come to it.
        await asyncio.sleep(1.5 * leases_module.LEASE_MS / 1_000)
        assert not waiting.done()
        describe(races[won], held)
        async with asyncio.timeout(30):
            (other,) = await waiting
        assert other.pixels is None
        assert other.features is not None
        assert other.features.tobytes() == FEATURES.tobytes()
        assert other.content == held.content
    assert picture_host.hits["a.jpg"] == 1


async def test_many_posts_wait_on_one_flight(working: Any, picture_host: PictureHost, jpeg: bytes) -> None:
    url = picture_host.add("a.jpg", jpeg)
    async with working() as (first, _), working() as (second, count):
        (picture,) = await first.load([url])
        posts = [asyncio.create_task(second.load([url])) for _ in range(20)]
        await joined(count)
        posts += [asyncio.create_task(second.load([url])) for _ in range(20)]
        describe(first, picture)
        async with asyncio.timeout(30):
            found = [entry for (entry,) in await asyncio.gather(*posts)]
        assert all(entry.features is not None for entry in found)
    assert picture_host.hits["a.jpg"] == 1


async def test_what_failed_for_one_worker_failed_for_the_other(
    working: Any, picture_host: PictureHost
) -> None:
    answer = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def handler(_: web.Request) -> web.StreamResponse:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(answer.wait(), loop))
        return web.Response(status=404)

    url = picture_host.add("a.jpg", handler)
    async with working() as (first, _), working() as (second, count):
        races = [asyncio.create_task(first.load([url]))]
        while not picture_host.hits["a.jpg"]:  # noqa: ASYNC110 - counted in the host's thread
            await asyncio.sleep(0.01)
        races.append(asyncio.create_task(second.load([url])))
        await joined(count)
        answer.set()
        async with asyncio.timeout(30):
            found = [entry.status for (entry,) in await asyncio.gather(*races)]
    assert found == ["http_error", "http_error"]
    assert picture_host.hits["a.jpg"] == 1


async def test_one_picture_under_two_urls_is_described_by_one(
    working: Any, picture_host: PictureHost, jpeg: bytes
) -> None:
    urls = [picture_host.add(name, jpeg) for name in ("a.jpg", "b.jpg")]
    async with working() as (first, _), working() as (second, _):
        (picture,) = await first.load(urls[:1])
        waiting = asyncio.create_task(second.load(urls[1:]))
        while not picture_host.hits["b.jpg"]:  # noqa: ASYNC110 - counted in the host's thread
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        assert not waiting.done()
        describe(first, picture)
        async with asyncio.timeout(30):
            (other,) = await waiting
        assert other.features is not None


async def test_a_post_that_holds_pixels_waits_for_nobody(
    working: Any, picture_host: PictureHost, picture: Callable[..., bytes]
) -> None:
    a, b = (picture_host.add(f"{shade}.png", picture("PNG", colour=(shade, 0, 0))) for shade in (1, 2))
    async with working() as (first, _), working() as (second, _):
        # Neither post would be described before the other, were they to wait for each other's picture.
        (_,) = held_first = await first.load([a])
        (_,) = held_second = await second.load([b])
        async with asyncio.timeout(30):
            both = await asyncio.gather(first.load([a, b]), second.load([a, b]))
        assert [entry.pixels is not None for pictures in both for entry in pictures] == [True] * 4
        del held_first, held_second


async def test_a_worker_that_does_not_finish_is_waited_for_only_so_long(
    working: Any, picture_host: PictureHost, jpeg: bytes
) -> None:
    url = picture_host.add("a.jpg", jpeg)
    async with working() as (first, _), working(flight_wait=0.2) as (second, _):
        (held,) = await first.load([url])
        async with asyncio.timeout(30):
            (other,) = await second.load([url])
        assert other.pixels is not None
        assert held.pixels is not None
    assert picture_host.hits["a.jpg"] == 2


async def test_a_lease_lapses_by_itself(
    working: Any, picture_host: PictureHost, jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As of a holder that died before it came to prolong it.
    monkeypatch.setattr(leases_module, "_PROLONG_SECONDS", 3_600)
    url = picture_host.add("a.jpg", jpeg)
    async with working() as (first, _), working() as (second, _):
        (held,) = await first.load([url])
        async with asyncio.timeout(30):
            (other,) = await second.load([url])
        assert other.pixels is not None
        assert held.pixels is not None


async def test_pixels_that_no_post_holds_any_more_keep_nobody_waiting(
    working: Any, picture_host: PictureHost, jpeg: bytes
) -> None:
    url = picture_host.add("a.jpg", jpeg)
    async with working() as (first, _), working() as (second, count):
        # Its partition went to another worker, say, before the engine came to it.
        held = await first.load([url])
        waiting = asyncio.create_task(second.load([url]))
        await joined(count)
        del held
        async with asyncio.timeout(30):
            (other,) = await waiting
        assert other.pixels is not None


async def test_a_host_that_fails_one_worker_unremembered_is_asked_by_the_next(
    working: Any, picture_host: PictureHost, jpeg: bytes
) -> None:
    slow = picture_host.add("slow.jpg", hanging())
    url = picture_host.add("a.jpg", jpeg)
    turns = {"fetch_per_host": 1, "fetch_wait": 0.2, "fetch_timeout": 60, "fetch_read_timeout": 60}
    async with working(**turns) as (first, _), working() as (second, _):
        blocking = asyncio.create_task(first.load([slow]))
        while not picture_host.hits["slow.jpg"]:  # noqa: ASYNC110 - counted in the host's thread
            await asyncio.sleep(0.01)
        (no_turn,) = await first.load([url])
        assert no_turn.status == "timeout"
        async with asyncio.timeout(30):
            (other,) = await second.load([url])
        assert other.pixels is not None
        blocking.cancel()


async def test_no_lease_outlives_what_it_was_taken_for(
    working: Any,
    picture_host: PictureHost,
    valkey: ValkeyServer,
    jpeg: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leases_module, "LEASE_MS", 1_000)
    monkeypatch.setattr(leases_module, "_PROLONG_SECONDS", 0.2)
    urls = [picture_host.add(name, jpeg) for name in ("a.jpg", "b.jpg")]
    broken, gone = picture_host.add("c.jpg", jpeg[:300]), picture_host.url_of("d.jpg")

    async def none_is_left() -> None:
        with redis.Redis.from_url(valkey.url) as store:
            async with asyncio.timeout(30):
                while list(store.scan_iter("rpbert:flight:*")):  # noqa: ASYNC110 - Redis's own clock
                    await asyncio.sleep(0.05)

    async with working() as (loader, _):
        (picture,) = await loader.load(urls[:1])
        describe(loader, picture)
        del picture
        await none_is_left()
        known, *failed = await loader.load([urls[1], broken, gone])
        assert known.features is not None
        assert [entry.status for entry in failed] == ["broken", "http_error"]
        await none_is_left()


HOLDER = """
import asyncio, sys
from ipaddress import ip_network
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures.cache import FeatureCache
from workers.tagger.pictures.loader import open_loader

async def main():
    loopback = (ip_network("127.0.0.1/32"),)
    settings = PictureSettings(redis_url=sys.argv[1], cache_timeout=5, allow_network=loopback)
    metrics = Metrics()
    async with open_loader(settings, FeatureCache(settings, "backbone", 8, metrics), metrics) as loader:
        (held,) = await loader.load([sys.argv[2]])
        print(held.status.value, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_holder_that_is_killed_does_not_block_the_other(
    working: Any, picture_host: PictureHost, valkey: ValkeyServer, jpeg: bytes
) -> None:
    url = picture_host.add("a.jpg", jpeg)
    async with working() as (loader, count):
        holder = await asyncio.create_subprocess_exec(
            sys.executable, "-c", HOLDER, valkey.url, url, stdout=subprocess.PIPE
        )
        try:
            assert holder.stdout is not None
            assert await holder.stdout.readline() == b"ok\n"
            waiting = asyncio.create_task(loader.load([url]))
            await joined(count)
            await asyncio.sleep(1.5 * leases_module.LEASE_MS / 1_000)
            # It lives, so it is waited for.
            assert not waiting.done()
        finally:
            holder.kill()
            await holder.communicate()
        async with asyncio.timeout(30):
            (entry,) = await waiting
    assert entry.pixels is not None
    assert picture_host.hits["a.jpg"] == 2


@pytest.mark.parametrize("trouble", ["gone", "full"])
async def test_without_redis_nobody_waits(
    working: Any, picture_host: PictureHost, jpeg: bytes, trouble: str
) -> None:
    url = picture_host.add("a.jpg", jpeg)
    options = {"maxmemory-policy": "noeviction"}
    with ValkeyServer(options=options) as server:
        if trouble == "gone":
            server.kill()
        else:
            with redis.Redis.from_url(server.url) as store:
                store.config_set("maxmemory", 1)
        async with working(redis_url=server.url) as (first, _), working(redis_url=server.url) as (second, _):
            async with asyncio.timeout(30):
                pictures = [*await first.load([url]), *await second.load([url])]
            assert [entry.pixels is not None for entry in pictures] == [True, True]


async def test_a_failure_of_one_worker_is_known_to_the_next(working: Any, picture_host: PictureHost) -> None:
    url = picture_host.add("a.jpg", status(404))
    async with working() as (first, _), working() as (second, _):
        await first.load([url])
        async with asyncio.timeout(30):
            (entry,) = await second.load([url])
    assert entry.status == "http_error"
    assert picture_host.hits["a.jpg"] == 1
