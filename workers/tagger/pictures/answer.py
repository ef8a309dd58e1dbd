"""What a picture's host may answer, and the headers that are read from it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Self

import aiohttp

# What is sent back to the host and kept in the cache: nothing that ends a header, and no novel.
_VALIDATOR: Final = re.compile(r"[\x20-\x7e]{1,256}", re.ASCII)
_SECONDS: Final = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Validators:
    """What the host calls a picture's state, to ask later whether it changed (RFC 9110, 8.8).

    Attributes:
        etag: as the host wrote it, quotes and all.
        last_modified: an HTTP date, as the host wrote it.
    """

    etag: str | None = None
    last_modified: str | None = None

    @classmethod
    def of(cls, response: aiohttp.ClientResponse) -> Self:
        """Those of an answer; what can't be sent back as it is counts as none."""
        return cls(_plain(response.headers.get("ETag")), _plain(response.headers.get("Last-Modified")))

    def __bool__(self) -> bool:
        return self.etag is not None or self.last_modified is not None

    def request_headers(self) -> dict[str, str]:
        """The headers that ask for the picture only if it changed (RFC 9110, 13.1)."""
        headers = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in headers.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Fetched:
    """The picture.

    Attributes:
        body: its bytes, which begin like a picture.
        validators: by which to ask for it again; empty behind a redirect.
    """

    body: bytes
    validators: Validators


@dataclass(frozen=True, slots=True)
class NotModified:
    """The picture is still the one for which the host gave the validators that were sent.

    Attributes:
        validators: those of this answer; what it left out stays as it was (RFC 9111, 4.3.4).
    """

    validators: Validators


def retry_after(response: aiohttp.ClientResponse) -> float | None:
    """Seconds for which the host wants to be left alone; None if it doesn't say so."""
    text = response.headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(text):
        seconds = float(text)
    else:
        try:
            date = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return None
        # An HTTP date is in GMT; one written without a zone is read so too.
        zoned = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
        seconds = (zoned - datetime.now(UTC)).total_seconds()
    return seconds if seconds > 0 else None


def _plain(text: str | None) -> str | None:
    return text if text is not None and _VALIDATOR.fullmatch(text) else None
