"""Fetches the bytes of pictures over HTTP, past the guard and within bounds."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final, Self, overload

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from model.pictures import HEAD_BYTES, MEDIA_TYPES, begins_like_a_picture
from schemas import ImageStatus
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures.answer import Fetched, NotModified, Validators, retry_after
from workers.tagger.pictures.guard import Guard, GuardedResolver
from workers.tagger.pictures.picture import NoPicture
from workers.tagger.pictures.rests import Rests, Visit
from workers.tagger.pictures.timing import connect_timing

_MAX_REDIRECTS: Final = 3
_OK: Final = 200
_NOT_MODIFIED: Final = 304
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
# The host says that it can't serve at present. 500 is about one request, and who posts may choose which.
_OVERLOADED: Final = frozenset({429, 502, 503, 504})


class Fetcher:
    """One HTTP session for all pictures. Enter it in the event loop that is to fetch."""

    def __init__(
        self, settings: PictureSettings, guard: Guard, resolver: AbstractResolver, metrics: Metrics
    ) -> None:
        self._settings: Final = settings
        self._guard: Final = guard
        self._metrics: Final = metrics
        self._rests: Final = Rests(settings, metrics)
        self._session: Final = aiohttp.ClientSession(
            # Connections are kept and used again for the same scheme, host and port only: the address at the
            # other end was checked for that host, and for no other.
            connector=aiohttp.TCPConnector(
                limit=settings.fetch_concurrency,
                limit_per_host=settings.fetch_per_host,
                resolver=GuardedResolver(resolver, guard, metrics),
                socket_factory=guard.open_socket,
            ),
            # The whole time is kept around the chain of redirects, not by one request.
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=settings.fetch_connect_timeout, sock_read=settings.fetch_read_timeout
            ),
            # A compressed answer isn't opened: what it would swell to is the host's to choose.
            auto_decompress=False,
            headers={
                "User-Agent": _user_agent(settings),
                "Accept": ",".join(MEDIA_TYPES),
                "Accept-Encoding": "identity",
            },
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[connect_timing(metrics)],
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    @overload
    async def fetch(self, url: URL) -> Fetched: ...
    @overload
    async def fetch(self, url: URL, known: Validators) -> Fetched | NotModified: ...
    async def fetch(self, url: URL, known: Validators | None = None) -> Fetched | NotModified:
        """The picture that `url`, already checked by the guard, leads to; its bytes begin like a picture.

        Args:
            url: where to ask.
            known: what the host said of the picture when it gave it last; it need not give the same again.

        Raises:
            HostRests: the host is left alone for now; it was not asked.
            NoPicture: the host gave no picture; the status says why.
        """
        deadline = asyncio.get_running_loop().time() + self._settings.fetch_timeout
        headers = {} if known is None else known.request_headers()
        for hop in range(_MAX_REDIRECTS + 1):
            with self._rests.visit(f"{url.raw_host}:{url.port}") as visit:
                answer = await self._ask(url, headers, visit, deadline, first=hop == 0)
            if not isinstance(answer, URL):
                return answer
            # Elsewhere the same tag may name another picture.
            url, headers = answer, {}
        raise NoPicture(ImageStatus.HTTP_ERROR)

    async def _ask(
        self, url: URL, headers: dict[str, str], visit: Visit, deadline: float, *, first: bool
    ) -> Fetched | NotModified | URL:
        """What one request leads to; a redirect to the URL to ask next."""
        # Nothing of a library's error goes on: its text may hold addresses and the stranger's own words.
        try:
            with self._guard.speaking_to(url.raw_host or ""), self._metrics.stage("fetch"):
                async with (
                    asyncio.timeout_at(deadline),
                    self._session.get(url, headers=headers, allow_redirects=False) as response,
                ):
                    return await self._judge(url, response, visit, known=bool(headers), first=first)
        except aiohttp.ServerTimeoutError:
            raise _failed(visit, ImageStatus.TIMEOUT) from None
        except TimeoutError:
            # Where a redirect leads isn't blamed for the time that who redirected has used up.
            if first:
                visit.failed(ImageStatus.TIMEOUT)
            raise NoPicture(ImageStatus.TIMEOUT) from None
        except (aiohttp.ClientResponseError, aiohttp.ClientPayloadError):
            raise _failed(visit, ImageStatus.HTTP_ERROR) from None
        except (aiohttp.ClientError, OSError):
            raise _failed(visit, ImageStatus.UNREACHABLE) from None

    async def _judge(
        self, url: URL, response: aiohttp.ClientResponse, visit: Visit, *, known: bool, first: bool
    ) -> Fetched | NotModified | URL:
        if response.status in _OVERLOADED:
            visit.failed(ImageStatus.HTTP_ERROR, retry_after(response))
            raise NoPicture(ImageStatus.HTTP_ERROR)
        visit.answered()
        if response.status in _REDIRECTS and "Location" in response.headers:
            return self._guard.follow(url, response.headers["Location"])
        if response.status == _NOT_MODIFIED and known:
            self._metrics.revalidations.labels("same").inc()
            return NotModified(Validators.of(response))
        # 206 and the like are no whole picture.
        if response.status != _OK:
            raise NoPicture(ImageStatus.HTTP_ERROR)
        body = await self._read(response)
        if known:
            self._metrics.revalidations.labels("changed").inc()
        # What a redirect led to may be another picture tomorrow while the redirect's host says nothing.
        return Fetched(body, Validators.of(response) if first else Validators())

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            raise NoPicture(ImageStatus.NOT_A_PICTURE)
        most = self._settings.fetch_max_bytes
        if (response.content_length or 0) > most:
            raise NoPicture(ImageStatus.TOO_LARGE)
        body = bytearray()
        async for chunk in response.content.iter_any():
            unjudged = len(body) < HEAD_BYTES
            body += chunk
            self._metrics.fetched_bytes.inc(len(chunk))
            if len(body) > most:
                raise NoPicture(ImageStatus.TOO_LARGE)
            # Ten megabytes of something else need not be read to the end.
            if unjudged and len(body) >= HEAD_BYTES and not begins_like_a_picture(body):
                raise NoPicture(ImageStatus.NOT_A_PICTURE)
        if not begins_like_a_picture(body):
            raise NoPicture(ImageStatus.NOT_A_PICTURE)
        return bytes(body)


def _failed(visit: Visit, status: ImageStatus) -> NoPicture:
    visit.failed(status)
    return NoPicture(status)


def _user_agent(settings: PictureSettings) -> str:
    if settings.fetch_contact is None:
        return settings.fetch_user_agent
    return f"{settings.fetch_user_agent} (+{settings.fetch_contact})"
