"""Where a redirect may lead, and for how long."""

import asyncio

import pytest
from aiohttp import web
from yarl import URL

from schemas import ImageStatus
from tests.workers.tagger.pictures.hosts import Count, Names, OpenLoader, outcome
from workers.local.picture_faults import redirect, status
from workers.local.picture_host import PictureHost


@pytest.mark.attack("redirects, each just quick enough", "timeout")
async def test_the_whole_time_counts_the_redirects_too(
    picture_host: PictureHost, loading: OpenLoader, jpeg: bytes
) -> None:
    async def late(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.4)
        return web.Response(status=302, headers={"Location": "/late"})

    url = picture_host.add("late", late)
    async with loading(fetch_timeout=1.0) as loader:
        assert await outcome(loader, url) is ImageStatus.TIMEOUT


@pytest.mark.attack("four redirects", "http_error")
async def test_redirects_are_followed_three_times(
    picture_host: PictureHost, loading: OpenLoader, jpeg: bytes
) -> None:
    picture_host.add("0", jpeg)
    for step, code in enumerate((301, 302, 307, 308), start=1):
        picture_host.add(str(step), redirect(f"/{step - 1}", status=code))
    async with loading() as loader:
        assert await outcome(loader, picture_host.url_of("3")) is ImageStatus.OK
        assert await outcome(loader, picture_host.url_of("4")) is ImageStatus.HTTP_ERROR
    assert picture_host.hits["0"] == 1


@pytest.mark.attack("a loop of redirects", "http_error")
async def test_a_loop_of_redirects_ends(picture_host: PictureHost, loading: OpenLoader) -> None:
    url = picture_host.add("a", redirect("/b"))
    picture_host.add("b", redirect("/a"))
    async with loading() as loader:
        assert await outcome(loader, url) is ImageStatus.HTTP_ERROR
    assert picture_host.hits.total() == 4


async def test_a_redirect_without_a_target_is_an_http_error(
    picture_host: PictureHost, loading: OpenLoader
) -> None:
    url = picture_host.add("a", status(302))
    async with loading() as loader:
        assert await outcome(loader, url) is ImageStatus.HTTP_ERROR


@pytest.mark.attack("a redirect to {location}", "{expected}, nothing is asked")
@pytest.mark.parametrize(
    ("location", "expected", "reason"),
    [
        pytest.param(
            "http://127.0.0.2:{port}/inside", "refused", "address", id="CVE-2025-6242 private address"
        ),
        pytest.param(
            "http://inside.example:{port}/inside", "refused", "address", id="CVE-2025-6242 private name"
        ),
        pytest.param("http://169.254.169.254/latest", "refused", "address", id="CVE-2026-33626 metadata"),
        pytest.param("http://127.1:{port}/inside", "bad_url", "host", id="odd address"),
        pytest.param("ftp://127.0.0.1/inside", "bad_url", "scheme", id="other scheme"),
        pytest.param("file:///etc/passwd", "bad_url", "scheme", id="file"),
        pytest.param("http://x@127.0.0.1:{port}/inside", "bad_url", "userinfo", id="userinfo"),
        pytest.param(
            "http://images.example\\@127.0.0.1:{port}/inside", "bad_url", "syntax", id="CVE-2026-24779"
        ),
    ],
)
async def test_a_redirect_does_not_lead_inside(
    *,
    picture_host: PictureHost,
    loading: OpenLoader,
    jpeg: bytes,
    count: Count,
    location: str,
    expected: str,
    reason: str,
) -> None:
    picture_host.add("inside", jpeg)
    port = URL(picture_host.url).port
    url = picture_host.add("a.jpg", redirect(location.format(port=port)))
    async with loading(resolver=Names(["127.0.0.2"])) as loader:
        assert await outcome(loader, url) == expected
    assert picture_host.hits == {"a.jpg": 1}
    assert count("image_refusals_total", reason=reason) == 1
