"""The picture host: real bytes over HTTP, and misbehaviour on demand."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from workers.local import picture_faults
from workers.local.picture_host import PictureHost


async def fetch(url: str, *, within: float = 10.0, redirects: bool = True) -> tuple[int, str, bytes]:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=within)) as session,
        session.get(url, allow_redirects=redirects) as response,
    ):
        return response.status, response.content_type, await response.read()


async def test_bytes_come_with_the_type_of_their_name(picture_host: PictureHost) -> None:
    url = picture_host.add("cats/grey cat.jpg", b"\xff\xd8\xff")
    assert url == picture_host.url_of("cats/grey cat.jpg")
    assert await fetch(url) == (200, "image/jpeg", b"\xff\xd8\xff")


async def test_a_wrong_type_can_be_claimed(picture_host: PictureHost) -> None:
    url = picture_host.add("cat.jpg", b"<html>", content_type="image/png")
    assert (await fetch(url))[1] == "image/png"


async def test_every_fetch_is_counted_the_failing_ones_too(picture_host: PictureHost) -> None:
    picture_host.add("cat.jpg", b"cat")
    for _ in range(2):
        await fetch(picture_host.url_of("cat.jpg"))
    assert (await fetch(picture_host.url_of("missing.jpg")))[0] == 404
    assert picture_host.hits == {"cat.jpg": 2, "missing.jpg": 1}


async def test_a_directory_is_served_by_file_name_and_a_picture_can_vanish(
    picture_host: PictureHost, tmp_path: Path
) -> None:
    (tmp_path / "dog.png").write_bytes(b"dog")
    picture_host.add_directory(tmp_path)
    assert await fetch(picture_host.url_of("dog.png")) == (200, "image/png", b"dog")
    picture_host.remove("dog.png")
    assert (await fetch(picture_host.url_of("dog.png")))[0] == 404


async def test_redirects_and_statuses(picture_host: PictureHost) -> None:
    picture_host.add("cat.jpg", b"cat")
    moved = picture_host.add("moved.jpg", picture_faults.redirect(picture_host.url_of("cat.jpg")))
    broken = picture_host.add("broken.jpg", picture_faults.status(503))
    assert (await fetch(moved))[2] == b"cat"
    assert (await fetch(moved, redirects=False))[0] == 302
    assert (await fetch(broken))[0] == 503


async def test_a_slow_body_arrives_whole_in_the_end(picture_host: PictureHost) -> None:
    url = picture_host.add("slow.jpg", picture_faults.slow(b"0123456789", seconds=0.1))
    assert (await fetch(url))[2] == b"0123456789"


@pytest.mark.parametrize("after_headers", [False, True])
async def test_a_hanging_picture_hangs_and_does_not_hold_up_the_end(after_headers: bool) -> None:
    with PictureHost() as host:
        url = host.add("hang.jpg", picture_faults.hanging(after_headers=after_headers))
        with pytest.raises(TimeoutError):
            await fetch(url, within=0.2)


async def test_a_truncated_body_is_noticed(picture_host: PictureHost) -> None:
    url = picture_host.add("cut.jpg", picture_faults.truncated(b"half", declared=8))
    with pytest.raises(aiohttp.ClientPayloadError):
        await fetch(url)


def test_a_host_that_is_not_started_has_no_url() -> None:
    host = PictureHost()
    with pytest.raises(RuntimeError, match="not started"):
        _ = host.url
    host.close()
