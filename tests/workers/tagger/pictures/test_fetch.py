"""What comes of one request for a picture."""

import asyncio
import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from schemas import ImageStatus
from tests.workers.tagger.pictures.hosts import (
    SHORT,
    Count,
    MakeFetcher,
    Names,
    OpenLoader,
    address,
    outcome,
    raw,
)
from workers.local.picture_faults import hanging, slow, status, truncated
from workers.local.picture_host import PictureHost
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures.fetch import Fetcher
from workers.tagger.pictures.guard import Guard
from workers.tagger.pictures.picture import NoPicture

STAGES = ("resolve", "connect", "fetch", "decode")


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
