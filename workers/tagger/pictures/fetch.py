"""Fetches the bytes of pictures over HTTP, past the guard and within bounds."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final, Self

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from schemas import ImageStatus
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures.guard import Guard, GuardedResolver
from workers.tagger.pictures.picture import NoPicture

_MAX_REDIRECTS: Final = 3
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HEAD_BYTES: Final = 16
_ACCEPT: Final = "image/webp,image/jpeg,image/png,image/gif;q=0.8"


class Fetcher:
    """One HTTP session for all pictures. Enter it in the event loop that is to fetch."""

    def __init__(
        self, settings: PictureSettings, guard: Guard, resolver: AbstractResolver, metrics: Metrics
    ) -> None:
        self._settings: Final = settings
        self._guard: Final = guard
        self._received: Final = metrics.fetched_bytes
        self._session: Final = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=settings.fetch_concurrency,
                limit_per_host=settings.fetch_per_host,
                resolver=GuardedResolver(resolver, guard),
                socket_factory=guard.open_socket,
            ),
            # The whole time is kept around the chain of redirects, not by one request.
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=settings.fetch_connect_timeout, sock_read=settings.fetch_read_timeout
            ),
            # A compressed answer isn't opened: what it would swell to is the host's to choose.
            auto_decompress=False,
            headers={
                "User-Agent": settings.fetch_user_agent,
                "Accept": _ACCEPT,
                "Accept-Encoding": "identity",
            },
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def fetch(self, url: URL) -> bytes:
        """The bytes that `url`, already checked by the guard, leads to; they begin like a picture.

        Raises:
            NoPicture: the host gave none; the status says why.
        """
        # Nothing of a library's error goes on: its text may hold addresses and the stranger's own words.
        try:
            async with asyncio.timeout(self._settings.fetch_timeout):
                return await self._follow(url)
        except TimeoutError:
            raise NoPicture(ImageStatus.TIMEOUT) from None
        except (aiohttp.ClientResponseError, aiohttp.ClientPayloadError):
            raise NoPicture(ImageStatus.HTTP_ERROR) from None
        except (aiohttp.ClientError, OSError):
            raise NoPicture(ImageStatus.UNREACHABLE) from None

    async def _follow(self, url: URL) -> bytes:
        for _ in range(_MAX_REDIRECTS + 1):
            async with self._session.get(url, allow_redirects=False) as response:
                if response.status in _REDIRECTS and "Location" in response.headers:
                    url = self._guard.follow(url, response.headers["Location"])
                    continue
                # 206 and the like are no whole picture.
                if response.status != 200:  # noqa: PLR2004
                    raise NoPicture(ImageStatus.HTTP_ERROR)
                return await self._read(response)
        raise NoPicture(ImageStatus.HTTP_ERROR)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        most = self._settings.fetch_max_bytes
        if (response.content_length or 0) > most:
            raise NoPicture(ImageStatus.TOO_LARGE)
        body = bytearray()
        async for chunk in response.content.iter_any():
            unjudged = len(body) < _HEAD_BYTES
            body += chunk
            self._received.inc(len(chunk))
            if len(body) > most:
                raise NoPicture(ImageStatus.TOO_LARGE)
            # Ten megabytes of something else need not be read to the end.
            if unjudged and len(body) >= _HEAD_BYTES and not _begins_like_a_picture(body):
                raise NoPicture(ImageStatus.NOT_A_PICTURE)
        if not _begins_like_a_picture(body):
            raise NoPicture(ImageStatus.NOT_A_PICTURE)
        return bytes(body)


def _begins_like_a_picture(head: bytearray) -> bool:
    """Whether the first bytes are those of JPEG, PNG, GIF or WebP; Content-Type isn't asked."""
    return head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")) or (
        head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    )
