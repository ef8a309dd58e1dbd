"""Nothing inside is spoken to, whatever a name leads to and whenever."""

import socket
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from schemas import ImageStatus
from tests.workers.tagger.pictures.hosts import Count, Names, OpenLoader, outcome
from workers.local.picture_host import PictureHost
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures.fetch import Fetcher
from workers.tagger.pictures.guard import Guard
from workers.tagger.pictures.picture import NoPicture


@pytest.mark.attack(
    "CVE-2025-6242, CVE-2026-33626 a URL of {host}, which is inside", "refused, nothing is asked"
)
@pytest.mark.parametrize("host", ["127.0.0.1", "inside.example"])
async def test_cve_2025_6242_and_cve_2026_33626_nothing_inside_is_asked(
    picture_host: PictureHost, loading: OpenLoader, jpeg: bytes, host: str
) -> None:
    url = picture_host.add("a.jpg", jpeg).replace("127.0.0.1", host)
    async with loading(allow_network=(), resolver=Names(["127.0.0.1"])) as loader:
        assert await outcome(loader, url) is ImageStatus.REFUSED
    assert not picture_host.hits


@pytest.mark.attack(
    "DNS rebinding: public when checked, inside when asked again", "the name is resolved once"
)
async def test_a_connection_goes_to_the_address_that_was_checked(
    picture_host: PictureHost, loading: OpenLoader, jpeg: bytes
) -> None:
    url = picture_host.add("a.jpg", jpeg).replace("127.0.0.1", "rebinding.example")
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    async with loading(resolver=names) as loader:
        assert await outcome(loader, url) is ImageStatus.OK
    assert names.asked == 1


@pytest.mark.attack("DNS rebinding: inside at the next post", "refused")
async def test_a_host_that_moves_inside_is_refused_from_then_on(
    picture_host: PictureHost, loading: OpenLoader, jpeg: bytes
) -> None:
    url = picture_host.add("a.jpg", jpeg).replace("127.0.0.1", "rebinding.example")
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    async with loading(resolver=names) as loader:
        assert await outcome(loader, url) is ImageStatus.OK
    async with loading(resolver=names) as loader:
        assert await outcome(loader, url) is ImageStatus.REFUSED
    assert picture_host.hits["a.jpg"] == 1


@pytest.mark.attack("a name with one address outside and one inside", "refused, in either order")
async def test_a_host_with_one_address_inside_is_refused(
    picture_host: PictureHost, loading: OpenLoader, jpeg: bytes
) -> None:
    url = picture_host.add("a.jpg", jpeg).replace("127.0.0.1", "mixed.example")
    for answers in (["127.0.0.1", "127.0.0.2"], ["127.0.0.2", "127.0.0.1"]):
        async with loading(resolver=Names(answers)) as loader:
            assert await outcome(loader, url) is ImageStatus.REFUSED
    assert not picture_host.hits


@pytest.mark.attack("an address past the check of URLs", "no socket is opened")
async def test_an_address_that_no_resolver_saw_is_not_spoken_to(
    picture_host: PictureHost, settings: Callable[..., PictureSettings], metrics: Metrics, jpeg: bytes
) -> None:
    # aiohttp asks no resolver for an address, so this is what would happen if the check of URLs were missing.
    url = URL(picture_host.add("a.jpg", jpeg))
    guard = Guard(PictureSettings(), metrics)
    async with Fetcher(settings(), guard, ThreadedResolver(), metrics) as fetcher:
        with pytest.raises(NoPicture):
            await fetcher.fetch(url)
    assert not picture_host.hits


def peers(
    picture_host: PictureHost, path: str, body: bytes, headers: dict[str, str] | None = None
) -> list[Any]:
    """Serve `body` at `path`; the other end of each connection by which it is asked for."""
    seen: list[Any] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        seen.append(request.transport.get_extra_info("peername"))
        return web.Response(body=body, headers=headers)

    picture_host.add(path, handler)
    return seen


@pytest.mark.attack("two names at one address", "two connections")
async def test_a_connection_is_used_again_for_its_own_host_only(
    picture_host: PictureHost, loading: OpenLoader, jpeg: bytes
) -> None:
    first, second = (peers(picture_host, name, jpeg) for name in ("a.jpg", "b.jpg"))
    url = picture_host.url.replace("127.0.0.1", "{}.example")
    names = Names(["127.0.0.1"])
    async with loading(resolver=names) as loader:
        assert await outcome(loader, f"{url.format('one')}/a.jpg") is ImageStatus.OK
        assert await outcome(loader, f"{url.format('one')}/b.jpg") is ImageStatus.OK
        assert await outcome(loader, f"{url.format('two')}/a.jpg") is ImageStatus.OK
    assert second == first[:1]
    assert first[1] != first[0]
    assert names.asked == 2


@pytest.mark.attack("a name inside, while a connection to the port is kept for another", "refused")
async def test_a_kept_connection_lends_no_other_host_its_check(
    picture_host: PictureHost, loading: OpenLoader, jpeg: bytes
) -> None:
    class Two(Names):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
        ) -> list[ResolveResult]:
            self.answers = [["127.0.0.1"] if host == "outside.example" else ["127.0.0.2"]]
            return await super().resolve(host, port, family)

    seen = peers(picture_host, "a.jpg", jpeg)
    url = picture_host.url.replace("127.0.0.1", "{}.example") + "/a.jpg"
    async with loading(resolver=Two()) as loader:
        assert await outcome(loader, url.format("outside")) is ImageStatus.OK
        assert await outcome(loader, url.format("inside")) is ImageStatus.REFUSED
    assert len(seen) == 1


@pytest.mark.attack("another name at an allowed host's address", "refused")
async def test_an_allowed_host_is_asked_wherever_it_leads_and_no_other_is(
    picture_host: PictureHost, loading: OpenLoader, jpeg: bytes, count: Count
) -> None:
    url = picture_host.add("a.jpg", jpeg)
    changes = {"allow_network": (), "allow_host": ("cdn.internal",)}
    async with loading(resolver=Names(["127.0.0.1"]), **changes) as loader:
        assert await outcome(loader, url.replace("127.0.0.1", "CDN.internal")) is ImageStatus.OK
        assert await outcome(loader, url.replace("127.0.0.1", "other.internal")) is ImageStatus.REFUSED
        assert await outcome(loader, url) is ImageStatus.REFUSED
    assert picture_host.hits["a.jpg"] == 1
    async with loading(resolver=Names(["169.254.169.254"]), **changes) as loader:
        assert await outcome(loader, url.replace("127.0.0.1", "cdn.internal")) is ImageStatus.REFUSED
