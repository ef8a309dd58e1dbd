import asyncio
from collections.abc import Callable
from ipaddress import ip_network

import numpy as np
import pytest
import redis
from aiohttp import web
from structlog.testing import capture_logs

from model.pictures import decode
from schemas import ImageStatus
from tests.workers.tagger.pictures.hosts import Count, OpenLoader
from workers.local.picture_faults import hanging, status
from workers.local.picture_host import PictureHost
from workers.local.valkey import ValkeyServer
from workers.settings import PictureSettings
from workers.tagger.pictures.decoder import Decoder
from workers.tagger.pictures.loader import Loader
from workers.tagger.pictures.picture import Features, Picture


@pytest.fixture
def redis_url(valkey: ValkeyServer) -> str:
    with redis.Redis.from_url(valkey.url) as store:
        store.flushall()
    return valkey.url


def kept(store: redis.Redis) -> list[bytes]:
    return [key for key in store.scan_iter() if not key.startswith(b"rpbert:flight:")]


def remember(loader: Loader, content: str | None, features: Features) -> None:
    assert content is not None
    assert loader._cache.keep_features(content, features)
    loader._cache.share_features(content, features)


async def until_kept(url: str, keys: int) -> None:
    with redis.Redis.from_url(url) as store:
        async with asyncio.timeout(30):
            while len(kept(store)) != keys:  # noqa: ASYNC110 - what is awaited happens in another process
                await asyncio.sleep(0.01)


async def test_pictures_come_in_the_order_of_their_urls(
    picture_host: PictureHost, loading: OpenLoader, picture: Callable[..., bytes]
) -> None:
    bodies = [picture("PNG", colour=(shade, 0, 0)) for shade in (0, 80, 160, 240)]
    urls = [picture_host.add(f"{number}.png", body) for number, body in enumerate(bodies)]
    urls.insert(2, picture_host.url_of("gone.png"))
    urls.insert(0, "no URL")
    async with loading() as loader:
        pictures = await loader.load(urls)
        assert await loader.load(()) == ()
    assert [entry.url for entry in pictures] == urls
    assert [entry.status for entry in pictures] == ["bad_url", "ok", "ok", "http_error", "ok", "ok"]
    shown = [entry.pixels for entry in pictures if entry.pixels is not None]
    assert [int(pixels[0, 0, 0]) for pixels in shown] == [0, 80, 160, 240]


async def test_pixels_are_those_of_the_one_decoder(
    picture_host: PictureHost, loading: OpenLoader, jpeg: bytes
) -> None:
    async with loading() as loader:
        (entry,) = await loader.load([picture_host.add("a.jpg", jpeg)])
    assert entry.pixels is not None
    assert np.array_equal(entry.pixels, decode(jpeg))


async def test_a_url_asked_for_by_many_at_once_is_fetched_once(
    picture_host: PictureHost, loading: OpenLoader, jpeg: bytes, count: Count
) -> None:
    answer = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def handler(_: web.Request) -> web.StreamResponse:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(answer.wait(), loop))
        return web.Response(body=jpeg)

    url = picture_host.add("a.jpg", handler)
    async with loading() as loader:
        first = asyncio.create_task(loader.load([url, url]))
        others = [asyncio.create_task(loader.load([url + "#fragment"])) for _ in range(5)]
        while not picture_host.hits["a.jpg"]:  # noqa: ASYNC110 - counted in the host's thread
            await asyncio.sleep(0.01)
        late = asyncio.create_task(loader.load([url]))
        # One that gives up ends nothing for the others.
        first.cancel()
        await asyncio.sleep(0)
        answer.set()
        found = [entry for pictures in await asyncio.gather(*others, late) for entry in pictures]
        assert [entry.status for entry in found] == ["ok"] * 6
        assert found[0].url == url + "#fragment"
        assert found[-1].url == url
        assert picture_host.hits["a.jpg"] == 1
    assert count("image_flights_joined_total", where="here") == 6


async def test_a_picture_that_is_being_described_is_not_fetched_again(
    picture_host: PictureHost, loading: OpenLoader, jpeg: bytes, count: Count
) -> None:
    urls = [picture_host.add(name, jpeg) for name in ("a.jpg", "b.jpg")]
    async with loading() as loader:
        (first,) = await loader.load(urls[:1])
        again, other = await loader.load(urls)
        assert again.pixels is first.pixels
        assert other.pixels is first.pixels
        assert count("stage_duration_seconds_count", stage="decode") == 1
        assert picture_host.hits["a.jpg"] == 1
        # No post holds it any more, and nobody has described it: it must be had again.
        del first, again, other
        (late,) = await loader.load(urls[:1])
        assert late.pixels is not None
    assert picture_host.hits["a.jpg"] == 2
    assert count("image_flights_joined_total", where="here") == 2


async def test_a_failure_too_is_one_flight(picture_host: PictureHost, loading: OpenLoader) -> None:
    url = picture_host.add("a.jpg", status(500))
    async with loading() as loader:
        pictures = await asyncio.gather(*(loader.load([url]) for _ in range(5)))
    assert [entry.status for (entry,) in pictures] == ["http_error"] * 5
    assert picture_host.hits["a.jpg"] == 1


async def test_a_slow_host_does_not_delay_another(
    picture_host: PictureHost, loading: OpenLoader, jpeg: bytes
) -> None:
    slow = [picture_host.add(f"{number}", hanging()) for number in range(20)]
    quick = picture_host.add("quick.jpg", jpeg).replace("127.0.0.1", "localhost")
    patient = {"fetch_timeout": 60, "fetch_read_timeout": 60}
    both = (ip_network("127.0.0.1/32"), ip_network("::1/128"))
    async with loading(fetch_concurrency=9, fetch_per_host=8, allow_network=both, **patient) as loader:
        waiting = asyncio.create_task(loader.load(slow))
        await asyncio.sleep(0.1)
        async with asyncio.timeout(30):
            (entry,) = await loader.load([quick])
        assert entry.status is ImageStatus.OK
        assert not waiting.done()
        waiting.cancel()


async def test_no_more_is_asked_of_a_host_at_a_time_than_is_set(
    picture_host: PictureHost, loading: OpenLoader, jpeg: bytes
) -> None:
    now = most = 0

    async def handler(_: web.Request) -> web.StreamResponse:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.02)
        now -= 1
        return web.Response(body=jpeg)

    urls = [picture_host.add(str(number), handler) for number in range(12)]
    async with loading(fetch_per_host=3) as loader:
        pictures = await loader.load(urls)
    assert [entry.status for entry in pictures] == ["ok"] * 12
    assert most == 3


async def test_a_picture_that_gets_no_turn_is_given_up(
    picture_host: PictureHost, loading: OpenLoader
) -> None:
    urls = [picture_host.add(str(number), hanging()) for number in range(3)]
    async with loading(fetch_per_host=1, fetch_wait=0.2, fetch_timeout=0.4, fetch_read_timeout=0.4) as loader:
        pictures = await loader.load(urls)
    assert [entry.status for entry in pictures] == ["timeout"] * 3
    assert picture_host.hits.total() == 1


@pytest.mark.parametrize("tier", ["redis", "local"])
async def test_a_cached_picture_is_neither_fetched_nor_decoded(  # noqa: PLR0917 - fixtures
    picture_host: PictureHost,
    loading: OpenLoader,
    settings: Callable[..., PictureSettings],
    redis_url: str,
    jpeg: bytes,
    count: Count,
    tier: str,
) -> None:
    features = np.random.default_rng(1).standard_normal((49, 8)).astype(np.float16)
    url = picture_host.add("a.jpg", jpeg)
    async with loading(redis_url=redis_url, cache_timeout=5.0, local_cache_mb=int(tier == "local")) as loader:
        (cold,) = await loader.load([url])
        assert cold.pixels is not None
        remember(loader, cold.content, features)
        await until_kept(redis_url, 2)
        (cached,) = await loader.load([url])
    assert cached.status is ImageStatus.OK
    assert cached.content == cold.content
    assert cached.pixels is None
    assert cached.features is not None
    assert cached.features.tobytes() == features.tobytes()
    assert picture_host.hits["a.jpg"] == 1
    assert count("cache_lookups_total", tier=tier, result="hit") == 1


async def test_a_known_picture_under_a_new_url_is_fetched_and_not_decoded(
    picture_host: PictureHost, loading: OpenLoader, redis_url: str, jpeg: bytes, count: Count
) -> None:
    urls = [picture_host.add(name, jpeg) for name in ("a.jpg", "b.jpg")]
    async with loading(redis_url=redis_url, cache_timeout=5.0) as loader:
        (first,) = await loader.load(urls[:1])
        remember(loader, first.content, np.ones((49, 8), np.float16))
        await until_kept(redis_url, 2)
        (second,) = await loader.load(urls[1:])
        assert second.features is not None
        await until_kept(redis_url, 3)
    assert picture_host.hits["b.jpg"] == 1
    assert count("stage_duration_seconds_count", stage="decode") == 1


async def test_a_url_whose_picture_changed_gets_the_new_one_after_its_time(
    picture_host: PictureHost, loading: OpenLoader, redis_url: str, picture: Callable[..., bytes]
) -> None:
    async with loading(redis_url=redis_url, cache_timeout=5.0, url_ttl=1) as loader:
        url = picture_host.add("a.png", picture("PNG"))
        (old,) = await loader.load([url])
        remember(loader, old.content, np.ones((49, 8), np.float16))
        picture_host.add("a.png", picture("PNG", colour=(1, 2, 3)))
        new = await until_another(loader, url, old)
    assert new.pixels is not None
    assert new.pixels[0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("local_mb", [0, 1])
async def test_a_host_is_asked_for_changes_once_a_url_is_old(
    picture_host: PictureHost,
    loading: OpenLoader,
    redis_url: str,
    picture: Callable[..., bytes],
    local_mb: int,
) -> None:
    asked: list[str | None] = []
    body, tag = picture("PNG"), '"one"'

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(request.headers.get("If-None-Match"))
        if asked[-1] == tag:
            return web.Response(status=304)
        return web.Response(body=body, headers={"ETag": tag})

    url = picture_host.add("a.png", handler)
    features = np.ones((49, 8), np.float16)
    settings = {"redis_url": redis_url, "cache_timeout": 5.0, "url_ttl": 1, "local_cache_mb": local_mb}
    async with loading(**settings) as loader:
        (first,) = await loader.load([url])
        remember(loader, first.content, features)
        await until_kept(redis_url, 2)
        async with asyncio.timeout(30):
            while len(asked) < 3:
                (same,) = await loader.load([url])
                assert (same.status, same.content) == (ImageStatus.OK, first.content)
                assert same.features is not None
                assert same.features.tobytes() == features.tobytes()
                await asyncio.sleep(0.05)
        body, tag = picture("PNG", colour=(1, 2, 3)), '"two"'
        new = await until_another(loader, url, first)
        assert new.pixels is not None
    # The third question has the tag although the second answer named none.
    assert asked[:3] == [None, '"one"', '"one"']


async def until_another(loader: Loader, url: str, old: Picture) -> Picture:
    async with asyncio.timeout(30):
        while (found := (await loader.load([url]))[0]).content == old.content:  # noqa: ASYNC110 - time must pass
            await asyncio.sleep(0.05)
    return found


async def test_a_failure_is_remembered_and_not_asked_for_again(
    picture_host: PictureHost, loading: OpenLoader, redis_url: str, count: Count
) -> None:
    faults = {"gone": b"", "page": b"<html>" + bytes(100), "cut": b"\xff\xd8\xff\xe0" + bytes(100)}
    urls = [picture_host.add(path, body) for path, body in faults.items()]
    urls.append(picture_host.url_of("none"))
    async with loading(redis_url=redis_url, cache_timeout=5.0) as loader:
        before = await loader.load(urls)
        await until_kept(redis_url, len(urls))
        after = await loader.load(urls)
    assert [entry.status for entry in after] == [entry.status for entry in before]
    assert [entry.status for entry in after] == ["not_a_picture", "not_a_picture", "broken", "http_error"]
    assert set(picture_host.hits.values()) == {1}
    assert count("cache_lookups_total", tier="local", result="failure_hit") == 4


async def test_a_refusal_is_not_remembered(loading: OpenLoader, redis_url: str) -> None:
    async with loading(redis_url=redis_url, cache_timeout=5.0, allow_network=()) as loader:
        pictures = await loader.load(["http://10.0.0.1/", "http://localhost/", "ftp://x/"])
        assert [entry.status for entry in pictures] == ["refused", "refused", "bad_url"]
        await asyncio.sleep(0.2)
    await until_kept(redis_url, 0)


async def test_a_bug_of_ours_costs_one_picture_and_tells_no_url(
    picture_host: PictureHost, loading: OpenLoader, jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: Decoder, data: bytes) -> None:
        raise LookupError("http://user:secret@host/?token=secret")

    urls = [picture_host.add("a.jpg", jpeg) + "?token=secret", picture_host.url_of("gone.jpg")]
    async with loading() as loader:
        monkeypatch.setattr(Decoder, "decode", broken)
        with capture_logs() as logs:
            pictures = await loader.load(urls)
        monkeypatch.undo()
        assert [entry.status for entry in pictures] == ["unreachable", "http_error"]
        (again,) = await loader.load(urls[:1])
        assert again.status is ImageStatus.OK
    assert [line["log_level"] for line in logs] == ["error"]
    assert logs[0]["error"] == "LookupError"
    assert "secret" not in str(logs)


async def test_pixels_can_not_be_changed_by_one_post_for_another(
    picture_host: PictureHost, loading: OpenLoader, jpeg: bytes
) -> None:
    async with loading() as loader:
        (entry,) = await loader.load([picture_host.add("a.jpg", jpeg)])
    assert entry.pixels is not None
    with pytest.raises(ValueError, match="read-only"):
        entry.pixels[0, 0, 0] = 1
