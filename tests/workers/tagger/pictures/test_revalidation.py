"""Pictures that are asked for again: only if they changed."""

import pytest
from aiohttp import web
from yarl import URL

from schemas import ImageStatus
from tests.workers.tagger.pictures.hosts import Count, MakeFetcher, address, lost, raw
from workers.local.picture_faults import redirect, status
from workers.local.picture_host import PictureHost
from workers.tagger.pictures.answer import Fetched, NotModified, Validators
from workers.tagger.pictures.picture import NoPicture


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
