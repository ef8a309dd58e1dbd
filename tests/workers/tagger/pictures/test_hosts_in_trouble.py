"""Hosts that fail or ask for rest are left alone."""

import asyncio

import pytest
from aiohttp import web
from yarl import URL

from schemas import ImageStatus
from tests.workers.tagger.pictures.hosts import SHORT, Count, MakeFetcher, OpenLoader, lost, outcome
from workers.local.picture_faults import hanging, redirect, slow, status
from workers.local.picture_host import PictureHost
from workers.tagger.pictures.rests import HostRests


@pytest.mark.parametrize("code", [429, 503])
async def test_a_host_is_left_alone_for_as_long_as_it_asks(
    picture_host: PictureHost, fetcher: MakeFetcher, jpeg: bytes, count: Count, code: int
) -> None:
    async def busy(_: web.Request) -> web.StreamResponse:
        return web.Response(status=code, headers={"Retry-After": "100"})

    good, url = picture_host.add("good.jpg", jpeg), picture_host.add("a.jpg", busy)
    ours = await fetcher()
    assert (await lost(ours, url)).status is ImageStatus.HTTP_ERROR
    for again in (url, good):
        resting = await lost(ours, again)
        assert isinstance(resting, HostRests)
        assert resting.status is ImageStatus.HTTP_ERROR
    assert picture_host.hits == {"a.jpg": 1}
    assert count("image_host_rests_total", reason="asked") == 1
    assert count("image_fetches_spared_total") == 2


@pytest.mark.attack("a dead host, again and again", "timeout, not asked any more")
async def test_a_dead_host_costs_nothing_after_some_tries(
    fetcher: MakeFetcher, picture_host: PictureHost, jpeg: bytes, count: Count
) -> None:
    dead = picture_host.add("a.jpg", hanging())
    ours = await fetcher(**SHORT, fetch_host_failures=3)
    for _ in range(3):
        assert not isinstance(await lost(ours, dead), HostRests)
    for _ in range(100):
        resting = await lost(ours, dead)
        assert isinstance(resting, HostRests)
        assert resting.status is ImageStatus.TIMEOUT
    assert picture_host.hits == {"a.jpg": 3}
    assert count("image_host_rests_total", reason="failed") == 1


async def test_a_host_that_is_back_is_asked_again(
    fetcher: MakeFetcher, picture_host: PictureHost, jpeg: bytes
) -> None:
    url = picture_host.add("a.jpg", status(503))
    ours = await fetcher(fetch_host_failures=1, fetch_host_rest=0.2)
    assert not isinstance(await lost(ours, url), HostRests)
    picture_host.add("a.jpg", jpeg)
    async with asyncio.timeout(30):
        while True:
            try:
                assert (await ours.fetch(URL(url))).body == jpeg
            except HostRests:
                await asyncio.sleep(0.05)
            else:
                break


@pytest.mark.attack("answers that are to turn us against a host", "the host is asked on")
async def test_what_is_wrong_with_a_picture_is_no_fault_of_its_host(
    fetcher: MakeFetcher, picture_host: PictureHost, jpeg: bytes
) -> None:
    ours = await fetcher(fetch_host_failures=1)
    for body in (status(404), status(500), b"<html>", redirect("http://10.0.0.1/"), redirect("/again")):
        await lost(ours, picture_host.add("bad.jpg", body))
    assert (await ours.fetch(URL(picture_host.add("a.jpg", jpeg)))).body == jpeg


@pytest.mark.attack(
    "a late redirect that is to turn us against its target", "timeout, the target is asked on"
)
async def test_nobody_s_redirect_uses_up_another_host_s_credit(
    fetcher: MakeFetcher, picture_host: PictureHost, jpeg: bytes
) -> None:
    with PictureHost() as victim:
        slow_here = victim.add("a.jpg", slow(jpeg, seconds=2.0))
        good = victim.add("good.jpg", jpeg)

        async def late(_: web.Request) -> web.StreamResponse:
            await asyncio.sleep(0.8)
            return web.Response(status=302, headers={"Location": slow_here})

        url = picture_host.add("late", late)
        ours = await fetcher(fetch_timeout=1.0, fetch_host_failures=1)
        assert (await lost(ours, url)).status is ImageStatus.TIMEOUT
        assert (await ours.fetch(URL(good))).body == jpeg


async def test_a_post_s_picture_of_a_resting_host_is_not_remembered_as_failed(
    picture_host: PictureHost, loading: OpenLoader, count: Count
) -> None:
    first, second = (picture_host.add(name, status(503)) for name in ("a.jpg", "b.jpg"))
    async with loading(fetch_host_failures=1) as loader:
        assert await outcome(loader, first) is ImageStatus.HTTP_ERROR
        assert await outcome(loader, second) is ImageStatus.HTTP_ERROR
    assert count("image_fetches_total", status="http_error") == 1
    assert picture_host.hits == {"a.jpg": 1}
