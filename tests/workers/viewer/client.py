"""A viewer without a browser: requests as curl would send them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

OWN = {"X-RpBERT-Viewer": "1", "Content-Type": "application/json"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def content(self) -> Any:
        return json.loads(self.body)


def ask(
    url: str, *, body: object = None, headers: Mapping[str, str] | None = None, method: str | None = None
) -> Answer:
    """One request: GET, or POST where there is a body."""
    parts = urlsplit(url)
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    with closing(HTTPConnection(parts.netloc, timeout=60)) as connection:
        connection.request(
            method or ("GET" if data is None else "POST"), parts.path, data, dict(headers or {})
        )
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())


@dataclass(frozen=True)
class Event:
    name: str
    id: str
    data: Any


@contextmanager
def events(url: str, *, last: str = "") -> Iterator[Iterator[Event]]:
    """The events of a viewer, from where an earlier look ended."""
    parts = urlsplit(url)
    with closing(HTTPConnection(parts.netloc, timeout=60)) as connection:
        connection.request("GET", "/api/events", headers={"Last-Event-ID": last} if last else {})
        yield _parsed(connection.getresponse())


def posts(stream: Iterator[Event]) -> Iterator[Event]:
    """Only those that bring posts."""
    return (event for event in stream if event.name == "posts")


def _parsed(response: HTTPResponse) -> Iterator[Event]:
    fields: dict[str, str] = {}
    for line in response:
        text = line.decode().rstrip("\r\n")
        if text:
            name, _, value = text.partition(": ")
            fields[name] = value
        elif fields:
            if "event" in fields:
                yield Event(fields["event"], fields.get("id", ""), json.loads(fields["data"]))
            fields = {}
