"""Hosts to ask for pictures, and what comes of it: what the tests of fetching share."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from schemas import ImageStatus
from workers.tagger.pictures.fetch import Fetcher
from workers.tagger.pictures.loader import Loader
from workers.tagger.pictures.picture import NoPicture

OpenLoader = Callable[..., AbstractAsyncContextManager[Loader]]
Count = Callable[..., float]
MakeFetcher = Callable[..., Awaitable[Fetcher]]
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


async def lost(fetcher: Fetcher, url: str) -> NoPicture:
    with pytest.raises(NoPicture) as caught:
        await fetcher.fetch(URL(url))
    return caught.value
