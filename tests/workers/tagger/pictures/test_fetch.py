import asyncio
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from schemas import ImageStatus
from workers.local.picture_faults import hanging, redirect, slow, status, truncated
from workers.local.picture_host import PictureHost
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures.answer import Fetched, NotModified, Validators
from workers.tagger.pictures.fetch import Fetcher
from workers.tagger.pictures.guard import Guard
from workers.tagger.pictures.loader import Loader
from workers.tagger.pictures.picture import NoPicture
from workers.tagger.pictures.rests import HostRests

OpenLoader = Callable[..., AbstractAsyncContextManager[Loader]]
Count = Callable[..., float]
MakeFetcher = Callable[..., Awaitable[Fetcher]]
STAGES = ("resolve", "connect", "fetch", "decode")
SHORT = {"fetch_timeout": 0.5, "fetch_connect_timeout": 0.5, "fetch_read_timeout": 0.5}


class Names(AbstractResolver):
    """Every name has these addresses, question by question; the last answer stays."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return [
            ResolveResult(hostname=host, host=ip, port=port, family=socket.AF_INET, proto=0, flags=0)
            for ip in answer
        ]

    async def close(self) -> None:
        """Nothing to close."""


async def outcome(loader: Loader, url: str) -> ImageStatus:
    (picture,) = await loader.load((url,))
    assert picture.url == url
    if picture.status is ImageStatus.OK:
        assert picture.pixels is not None
        assert picture.pixels.shape == (224, 224, 3)
    else:
        assert picture.pixels is None
        assert picture.features is None
    return picture.status


async def test_a_picture_is_fetched_whatever_its_type_says(
    picture_host: PictureHost, loading: OpenLoader, picture: Callable[..., bytes], count: Count
) -> None:
    bodies = {form: picture(form) for form in ("JPEG", "PNG", "WEBP", "GIF")}
    async with loading() as loader:
        for form, body in bodies.items():
            url = picture_host.add(form, body, content_type="text/html")
            assert await outcome(loader, url) is ImageStatus.OK
    assert count("image_fetches_total", status="ok") == 4
    assert count("image_fetched_bytes_total") == sum(map(len, bodies.values()))


def declared_size(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says how large it is."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(1_000_000)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.attack("{case}", "{expected}")
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"", "not_a_picture", id="empty"),
        pytest.param(b"\xff", "not_a_picture", id="one byte"),
        pytest.param(b"<html><body>not found</body></html>", "not_a_picture", id="page"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not_a_picture", id="SVG"),
        pytest.param(b"%PDF-1.7 and so on and on", "not_a_picture", id="PDF"),
        pytest.param(b"\x1f\x8b\x08" + bytes(64), "not_a_picture", id="gzip"),
        pytest.param(b"RIFF\x00\x00\x00\x00WAVEfmt ", "not_a_picture", id="sound in a RIFF"),
        pytest.param(b"\xff\xd8\xff\xe0" + bytes(100), "broken", id="JPEG that ends"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(100), "broken", id="PNG of zeros"),
        pytest.param(declared_size(30_000, 30_000), "too_large", id="CVE-2026-22773 bomb"),
        pytest.param(declared_size(0, 0), "broken", id="CVE-2026-22773 picture without pixels"),
    ],
)
async def test_what_is_no_picture_says_so(
    picture_host: PictureHost, loading: OpenLoader, count: Count, body: bytes, expected: str
) -> None:
    url = picture_host.add("a.jpg", body, content_type="image/jpeg")
    async with loading() as loader:
        assert await outcome(loader, url) == expected
    assert count("image_fetches_total", status=expected) == 1


@pytest.mark.attack("CVE-2026-22773 a picture of {size}", "ok")
@pytest.mark.parametrize("size", [(1, 1), (1, 5_000), (5_000, 1)], ids=str)
async def test_cve_2026_22773_a_picture_of_odd_shape_is_a_picture(
    picture_host: PictureHost, loading: OpenLoader, picture: Callable[..., bytes], size: tuple[int, int]
) -> None:
    url = picture_host.add("a.png", picture("PNG", size))
    async with loading() as loader:
        assert await outcome(loader, url) is ImageStatus.OK


@pytest.mark.attack("CVE-2026-22778 a failure whose text holds addresses", "the status alone gets out")
async def test_cve_2026_22778_nothing_of_a_librarys_error_gets_out(
    picture_host: PictureHost, loading: OpenLoader, settings: Callable[..., PictureSettings], metrics: Metrics
) -> None:
    guard = Guard(settings(), metrics)
    async with Fetcher(settings(**SHORT), guard, ThreadedResolver(), metrics) as fetcher:
        for url in (picture_host.url_of("gone"), "http://127.0.0.1:9/"):
            with pytest.raises(NoPicture) as lost:
                await fetcher.fetch(URL(url))
            assert str(lost.value) == lost.value.status
            assert lost.value.__cause__ is None
            assert lost.value.__suppress_context__ or lost.value.__context__ is None


@pytest.mark.parametrize("code", [204, 206, 304, 400, 401, 403, 404, 410, 418, 429, 500, 503])
async def test_another_answer_than_200_is_an_http_error(
    picture_host: PictureHost, loading: OpenLoader, code: int
) -> None:
    url = picture_host.add("a.jpg", status(code))
    async with loading() as loader:
        assert await outcome(loader, url) is ImageStatus.HTTP_ERROR


async def test_a_host_that_is_not_there_is_unreachable(loading: OpenLoader, unused_tcp_port: int) -> None:
    async with loading(resolver=Names([])) as loader:
        assert await outcome(loader, f"http://127.0.0.1:{unused_tcp_port}/") is ImageStatus.UNREACHABLE
        assert await outcome(loader, "http://nowhere.example/") is ImageStatus.UNREACHABLE


@pytest.mark.attack("a host without a trusted certificate", "unreachable")
async def test_a_host_whose_certificate_is_not_trusted_is_unreachable(
    picture_host: PictureHost, loading: OpenLoader
) -> None:
    async with loading() as loader:
        url = picture_host.url_of("a.jpg").replace("http:", "https:")
        assert await outcome(loader, url) is ImageStatus.UNREACHABLE


@pytest.mark.attack("a host that is slow: {case}", "timeout")
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(hanging(), id="no answer"),
        pytest.param(hanging(after_headers=True), id="headers and then nothing"),
        pytest.param(slow(b"\xff\xd8\xff" + bytes(1_000), seconds=60, chunks=600), id="drop by drop"),
    ],
)
async def test_a_slow_host_is_given_up(
    picture_host: PictureHost, loading: OpenLoader, fault: Any, count: Count
) -> None:
    url = picture_host.add("a.jpg", fault)
    async with loading(**SHORT) as loader:
        assert await outcome(loader, url) is ImageStatus.TIMEOUT
    assert count("image_fetches_total", status="timeout") == 1


@pytest.mark.attack("a host that sends nothing", "timeout, before the whole time is over")
async def test_a_host_that_sends_nothing_for_long_is_given_up_before_the_whole_time_is_over(
    picture_host: PictureHost, loading: OpenLoader
) -> None:
    url = picture_host.add("a.jpg", hanging())
    async with loading(fetch_timeout=60, fetch_read_timeout=0.3) as loader, asyncio.timeout(30):
        assert await outcome(loader, url) is ImageStatus.TIMEOUT


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


async def raw(answer: bytes, *, again: bytes = b"") -> asyncio.Server:
    """A server of bytes: `answer`, then `again` without end."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            while again:
                writer.write(again)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


def address(server: asyncio.Server, name: str = "127.0.0.1") -> str:
    return f"http://{name}:{server.sockets[0].getsockname()[1]}/a.jpg"


@pytest.mark.attack("CVE-2026-0599 an endless body: {case}", "too_large")
@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"", id="no length"),
        pytest.param(b"Content-Length: 99999999999\r\n", id="length too large"),
        pytest.param(b"Transfer-Encoding: chunked\r\n", id="chunks"),
    ],
)
async def test_cve_2026_0599_an_endless_body_is_cut_off(
    loading: OpenLoader, jpeg: bytes, count: Count, head: bytes
) -> None:
    block = bytes(65_536)
    if b"chunked" in head:
        first, again = b"%x\r\n%s\r\n" % (len(jpeg), jpeg), b"10000\r\n" + block + b"\r\n"
    else:
        first, again = jpeg, block
    server = await raw(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + first, again=again)
    async with server, loading(fetch_max_bytes=100_000, fetch_timeout=30) as loader:
        assert await outcome(loader, address(server)) is ImageStatus.TOO_LARGE
    assert count("image_fetched_bytes_total") < 1_000_000


@pytest.mark.attack("a Content-Length that is too large", "too_large, nothing is read")
async def test_a_length_that_is_too_large_is_not_read_at_all(loading: OpenLoader, count: Count) -> None:
    server = await raw(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n\xff\xd8\xff", again=bytes(1_000))
    async with server, loading(fetch_max_bytes=100_000) as loader:
        assert await outcome(loader, address(server)) is ImageStatus.TOO_LARGE
    assert count("image_fetched_bytes_total") == 0


@pytest.mark.attack("an endless page", "not_a_picture, cut off")
async def test_something_else_is_not_read_to_its_end(loading: OpenLoader, count: Count) -> None:
    server = await raw(b"HTTP/1.1 200 OK\r\n\r\n<!doctype html>", again=bytes(65_536))
    async with server, loading() as loader:
        assert await outcome(loader, address(server)) is ImageStatus.NOT_A_PICTURE
    assert count("image_fetched_bytes_total") < 1_000_000


@pytest.mark.attack("a body shorter than its Content-Length", "http_error")
async def test_a_body_shorter_than_promised_is_an_http_error(
    picture_host: PictureHost, loading: OpenLoader, jpeg: bytes
) -> None:
    url = picture_host.add("a.jpg", truncated(jpeg, declared=len(jpeg) + 10))
    async with loading() as loader:
        assert await outcome(loader, url) is ImageStatus.HTTP_ERROR


@pytest.mark.attack("{case}", "{expected}")
@pytest.mark.parametrize(
    ("answer", "again", "expected"),
    [
        pytest.param(b"", b"", "unreachable", id="hangs up"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", b"", "http_error", id="no HTTP"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n", "http_error", id="endless headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: ", b"a" * 65_536, "http_error", id="endless header"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 9\r\n\r\n",
            b"",
            "http_error",
            id="two lengths",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", b"", "http_error", id="negative length"
        ),
    ],
)
async def test_bad_http_is_an_outcome(
    loading: OpenLoader, answer: bytes, again: bytes, expected: str
) -> None:
    server = await raw(answer, again=again)
    async with server, loading(fetch_timeout=30) as loader:
        assert await outcome(loader, address(server)) == expected


@pytest.mark.attack("a compressed answer", "not_a_picture, nothing is read")
async def test_a_compressed_answer_is_not_opened(
    picture_host: PictureHost, loading: OpenLoader, jpeg: bytes, count: Count
) -> None:
    packed = zlib.compressobj(wbits=31)
    body = packed.compress(jpeg) + packed.flush()

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, headers={"Content-Encoding": "gzip"})

    url = picture_host.add("a.jpg", handler)
    async with loading() as loader:
        assert await outcome(loader, url) is ImageStatus.NOT_A_PICTURE
    assert count("image_fetched_bytes_total") == 0


@pytest.mark.attack(
    "a cookie, and a proxy in the environment", "the cookie is not sent back, the proxy not asked"
)
async def test_a_request_tells_no_more_than_it_must(
    picture_host: PictureHost, loading: OpenLoader, jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    seen: list[dict[str, str]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(dict(request.headers))
        response = web.Response(body=jpeg)
        response.set_cookie("name", "value")
        return response

    picture_host.add("a.jpg", handler)
    picture_host.add("b.jpg", handler)
    url = picture_host.url.replace("127.0.0.1", "images.example")
    async with loading(resolver=Names(["127.0.0.1"]), fetch_user_agent="test/1") as loader:
        assert await outcome(loader, f"{url}/a.jpg") is ImageStatus.OK
        assert await outcome(loader, f"{url}/b.jpg") is ImageStatus.OK
    for headers in seen:
        assert sorted(headers) == ["Accept", "Accept-Encoding", "Host", "User-Agent"]
        assert headers["Accept-Encoding"] == "identity"
        assert headers["User-Agent"] == "test/1"
        assert headers["Host"] == url.removeprefix("http://")


@pytest.mark.attack("a host by TLS", "SNI is its name")
async def test_tls_asks_for_the_host_by_its_name(loading: OpenLoader) -> None:
    hello: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello.set_result(await reader.read(4_096))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, loading(resolver=Names(["127.0.0.1"])) as loader:
        url = address(server, "images.example").replace("http:", "https:")
        assert await outcome(loader, url) is ImageStatus.UNREACHABLE
    assert b"images.example" in await hello


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


@pytest.fixture
async def fetcher(settings: Callable[..., PictureSettings], metrics: Metrics) -> AsyncIterator[MakeFetcher]:
    async with AsyncExitStack() as stack:

        async def made(**changes: Any) -> Fetcher:
            chosen = settings(**changes)
            return await stack.enter_async_context(
                Fetcher(chosen, Guard(chosen, metrics), ThreadedResolver(), metrics)
            )

        yield made


async def lost(fetcher: Fetcher, url: str) -> NoPicture:
    with pytest.raises(NoPicture) as caught:
        await fetcher.fetch(URL(url))
    return caught.value


async def test_a_picture_that_did_not_change_is_not_sent_again(
    picture_host: PictureHost, fetcher: MakeFetcher, jpeg: bytes, count: Count
) -> None:
    asked: list[dict[str, str]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append({name: value for name, value in request.headers.items() if name.startswith("If-")})
        headers = {"ETag": '"1"', "Last-Modified": "Mon, 23 Nov 2026 10:00:00 GMT"}
        if request.headers.get("If-None-Match") == '"1"':
            return web.Response(status=304, headers={"ETag": '"1"'})
        return web.Response(body=jpeg, headers=headers)

    url = URL(picture_host.add("a.jpg", handler))
    ours = await fetcher()
    had = await ours.fetch(url)
    assert had == Fetched(jpeg, Validators('"1"', "Mon, 23 Nov 2026 10:00:00 GMT"))
    assert await ours.fetch(url, had.validators) == NotModified(Validators('"1"'))
    assert await ours.fetch(url, Validators('"0"')) == had
    assert [count("image_revalidations_total", result=result) for result in ("same", "changed")] == [1, 1]
    assert asked == [
        {},
        {"If-None-Match": '"1"', "If-Modified-Since": "Mon, 23 Nov 2026 10:00:00 GMT"},
        {"If-None-Match": '"0"'},
    ]


@pytest.mark.attack("a redirect in answer to a conditional request", "the validators stay behind")
async def test_validators_go_to_the_host_that_gave_them_only(
    picture_host: PictureHost, fetcher: MakeFetcher, jpeg: bytes
) -> None:
    seen: list[str | None] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("If-None-Match"))
        return web.Response(body=jpeg, headers={"ETag": '"2"'})

    picture_host.add("there.jpg", handler)
    url = URL(picture_host.add("here.jpg", redirect("/there.jpg")))
    assert await (await fetcher()).fetch(url, Validators('"1"')) == Fetched(jpeg, Validators())
    assert seen == [None]


@pytest.mark.attack("304 without a question", "http_error")
async def test_who_was_not_asked_for_changes_can_not_say_that_there_are_none(
    picture_host: PictureHost, fetcher: MakeFetcher
) -> None:
    assert (await lost(await fetcher(), picture_host.add("a.jpg", status(304)))).status == "http_error"


@pytest.mark.attack("an ETag that is {tag!a}", "not sent back")
@pytest.mark.parametrize("tag", ["", "a" * 257, "caf\xe9", "\x00"])
async def test_a_validator_that_is_no_plain_text_is_none(fetcher: MakeFetcher, jpeg: bytes, tag: str) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nETag: %s\r\n\r\n" % (len(jpeg), tag.encode())
    server = await raw(head + jpeg)
    async with server:
        try:
            got = await (await fetcher()).fetch(URL(address(server)))
        except NoPicture as refused:
            assert refused.status is ImageStatus.HTTP_ERROR  # noqa: PT017 - aiohttp takes no NUL at all
        else:
            assert got.validators == Validators()


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


async def test_the_user_agent_says_whom_to_write_to(
    picture_host: PictureHost, fetcher: MakeFetcher, jpeg: bytes
) -> None:
    seen: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers["User-Agent"])
        return web.Response(body=jpeg)

    url = URL(picture_host.add("a.jpg", handler))
    await (await fetcher(fetch_user_agent="x/1", fetch_contact="https://x.example/bot")).fetch(url)
    assert seen == ["x/1 (+https://x.example/bot)"]


async def test_each_stage_of_a_fetch_is_timed(
    picture_host: PictureHost, loading: OpenLoader, jpeg: bytes, count: Count
) -> None:
    names = ("a.jpg", "b.jpg")
    url = picture_host.url.replace("127.0.0.1", "images.example")
    for name in names:
        picture_host.add(name, jpeg)
    async with loading(resolver=Names(["127.0.0.1"])) as loader:
        for name in names:
            assert await outcome(loader, f"{url}/{name}") is ImageStatus.OK
    timed = {stage: count("stage_duration_seconds_count", stage=stage) for stage in STAGES}
    assert timed == {"resolve": 1, "connect": 1, "fetch": 2, "decode": 2}
