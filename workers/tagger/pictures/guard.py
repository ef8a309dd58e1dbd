"""The guard: which URLs are asked for at all, and which addresses are spoken to.

Whoever writes a post chooses its URLs, so each is taken for an attempt to reach what only the worker can
reach (OWASP: server-side request forgery). Three rules leave no gap between check and use:

1. One parser. The `yarl.URL` that was checked is the object that aiohttp sends; no text is parsed twice.
2. One resolution. The resolver that aiohttp connects by gives only addresses that were checked, and if one
   answer of several is inside, the host is refused whole.
3. Every socket is opened by `open_socket`, which checks the very address that is about to be spoken to, also
   on the ways on which aiohttp asks no resolver.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import AddrInfoType
from yarl import URL

from schemas import ImageStatus
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures import addresses
from workers.tagger.pictures.picture import NoPicture

_PORTS: Final = frozenset({80, 443})
# RFC 1123, 2.1, and the underscore that some hosts have all the same; yarl gives IDNs as punycode.
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME: Final = re.compile(rf"(?=.{{1,254}}\Z){_LABEL}(?:\.{_LABEL})*\.?", re.ASCII)
# The longest name, a colon and the longest port.
_MOST_AUTHORITY: Final = 260
# What a lenient resolver takes for an IPv4 address (inet_aton): 2130706433, 127.1, 0177.0.0.1, 0x7f.1.
_NUMBER_AT_END: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?", re.ASCII)

# Whose address is about to be spoken to: aiohttp tells the factory of sockets the address alone.
_ASKED_HOST: Final[ContextVar[str]] = ContextVar("asked_host")


class Refusal(StrEnum):
    """Why the guard let a URL not pass."""

    SYNTAX = "syntax"
    SCHEME = "scheme"
    USERINFO = "userinfo"
    HOST = "host"
    PORT = "port"
    ADDRESS = "address"
    DOWNGRADE = "downgrade"


_NOT_A_URL: Final = frozenset({Refusal.SYNTAX, Refusal.SCHEME, Refusal.USERINFO, Refusal.HOST})


class Refused(NoPicture):
    """The guard let a URL, or where it leads, not pass."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(ImageStatus.BAD_URL if refusal in _NOT_A_URL else ImageStatus.REFUSED)
        self.refusal = refusal


class Guard:
    """Judges URLs, redirects and addresses; counts each refusal."""

    def __init__(self, settings: PictureSettings, metrics: Metrics) -> None:
        self._networks: Final = settings.allow_network
        self._hosts: Final = frozenset(settings.allow_host)
        self._refusals: Final = metrics.refusals

    def check(self, text: str) -> URL:
        """The URL to send for `text`, without its fragment.

        Raises:
            Refused: it is no plain http(s) URL, or its host is an address that pictures don't come from.
        """
        self._check_text(text)
        authority = re.split("[/?#]", text.partition("//")[2], maxsplit=1)[0]
        # Turning 8,000 letters of a foreign script into punycode takes 40 ms, and all posts would wait.
        if len(authority) > _MOST_AUTHORITY:
            raise self._refusal(Refusal.HOST)
        try:
            url = URL(text)
            port = url.port
        except ValueError:
            raise self._refusal(Refusal.SYNTAX) from None
        if url.scheme not in {"http", "https"}:
            raise self._refusal(Refusal.SCHEME)
        # yarl drops an empty user and the brackets of `[v1.x]`, so the text is looked at too: to refuse more
        # than a parser would is safe.
        if "@" in url.raw_authority or "@" in authority:
            raise self._refusal(Refusal.USERINFO)
        host = url.raw_host
        if not url.absolute or not host or not port or ("[" in authority) != (":" in host):
            raise self._refusal(Refusal.HOST)
        self._check_host(host, port)
        return url.with_fragment(None)

    def follow(self, url: URL, location: str) -> URL:
        """The URL to send when `url` answered with a redirect to `location`.

        Raises:
            Refused: as in `check`, or the redirect gives up TLS.
        """
        self._check_text(location)
        try:
            target = str(url.join(URL(location)))
        except ValueError:
            raise self._refusal(Refusal.SYNTAX) from None
        checked = self.check(target)
        if url.scheme == "https" and checked.scheme != "https":
            raise self._refusal(Refusal.DOWNGRADE)
        return checked

    def admit(self, text: str, port: int, host: str | None = None) -> None:
        """Let an address pass, written as a resolver or a URL writes it.

        Args:
            text: the address.
            port: where it is to be spoken to.
            host: the name that led to it; an allowed one may lead inside.

        Raises:
            Refused: it is neither public nor allowed, or only what is allowed has pictures on `port`.
        """
        address = addresses.parse(text)
        if address is None:
            raise self._refusal(Refusal.ADDRESS)
        if addresses.is_within(address, self._networks):
            return
        allowed_host = host is not None and host.rstrip(".") in self._hosts
        if allowed_host and addresses.may_be_of_allowed_host(address):
            return
        if not addresses.is_public(address):
            raise self._refusal(Refusal.ADDRESS)
        if port not in _PORTS:
            raise self._refusal(Refusal.PORT)

    @contextmanager
    def speaking_to(self, host: str) -> Iterator[None]:
        """Sockets that are opened within the block are opened for `host`."""
        token = _ASKED_HOST.set(host)
        try:
            yield
        finally:
            _ASKED_HOST.reset(token)

    def open_socket(self, target: AddrInfoType) -> socket.socket:
        """The socket that is to be connected to `target`, for aiohttp's `socket_factory`.

        Raises:
            PermissionError: the address may not be spoken to. No OSError, and aiohttp would try to go on.
        """
        family, kind, protocol, _, address = target
        try:
            self.admit(str(address[0]), int(address[1]), _ASKED_HOST.get(None))
        except Refused:
            raise PermissionError("the guard refused the address") from None
        return socket.socket(family, kind, protocol)

    def _check_text(self, text: str) -> None:
        # Parsers disagree on what these mean, and such a disagreement was CVE-2026-24779.
        if not text.isprintable() or " " in text or "\\" in text:
            raise self._refusal(Refusal.SYNTAX)

    def _check_host(self, host: str, port: int) -> None:
        if addresses.parse(host) is not None:
            self.admit(host, port)
        elif not _HOST_NAME.fullmatch(host) or _NUMBER_AT_END.fullmatch(host):
            raise self._refusal(Refusal.HOST)

    def _refusal(self, refusal: Refusal) -> Refused:
        self._refusals.labels(refusal.value).inc()
        return Refused(refusal)


class GuardedResolver(AbstractResolver):
    """Resolves by another resolver, and gives its answers only if the guard lets all of them pass."""

    def __init__(self, resolver: AbstractResolver, guard: Guard, metrics: Metrics) -> None:
        self._resolver: Final = resolver
        self._metrics: Final = metrics
        self._guard: Final = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of `host`, all of them checked.

        Raises:
            OSError: the name has no address.
            Refused: one of the addresses may not be spoken to.
        """
        with self._metrics.stage("resolve"):
            answers = await self._resolver.resolve(host, port, family)
        if not answers:
            raise OSError("no address")
        for answer in answers:
            self._guard.admit(answer["host"], port, host)
        return answers

    async def close(self) -> None:
        """Close the resolver behind."""
        await self._resolver.close()
