"""A network that delivers a request and loses its answer, between real clients and a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import closing, suppress
from functools import partial
from threading import Event, Thread
from typing import Final, Self

from kafka.protocol.api_message import ApiMessage

from workers.local.ports import LOOPBACK

# A Kafka frame: four bytes for its length, then of a request its API (2), version (2) and number (4), of an
# answer the number (4) at once.
_LENGTH: Final = 4


class LossyNetwork:
    """Takes connections for a broker; one answer gets lost, and all behind it on its connection.

    Args:
        port: where clients connect.
        broker: port of the broker.
        request: whose answer it is.
        number: of the request, from 1.

    Attributes:
        lost: Whether the answer is lost.
    """

    def __init__(self, port: int, broker: int, *, request: type[ApiMessage], number: int) -> None:
        self._port, self._broker, self._left = port, broker, number
        self._api = request.API_KEY
        self._thread = Thread(target=lambda: asyncio.run(self._serve()), name="lossy network", daemon=True)
        self._ready = Event()
        self._end: Callable[[], object] = lambda: None
        self.lost = False

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._thread.join()

    async def _serve(self) -> None:
        ended = asyncio.Event()
        self._end = partial(asyncio.get_running_loop().call_soon_threadsafe, ended.set)
        async with await asyncio.start_server(self._connect, LOOPBACK, self._port):
            self._ready.set()
            await ended.wait()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        unheard: set[bytes] = set()
        with suppress(OSError), closing(writer):
            from_broker, to_broker = await asyncio.open_connection(LOOPBACK, self._broker)
            with closing(to_broker):
                await asyncio.gather(
                    self._there(reader, to_broker, unheard), self._back(from_broker, writer, unheard)
                )

    async def _there(
        self, client: asyncio.StreamReader, broker: asyncio.StreamWriter, unheard: set[bytes]
    ) -> None:
        async for frame in _frames(client):
            api, number = frame[_LENGTH : _LENGTH + 2], frame[_LENGTH + 4 : _LENGTH + 8]
            if int.from_bytes(api) == self._api:
                self._left -= 1
                if self._left == 0:
                    unheard.add(number)
            broker.write(frame)
        broker.write_eof()

    async def _back(
        self, broker: asyncio.StreamReader, client: asyncio.StreamWriter, unheard: set[bytes]
    ) -> None:
        deaf = False
        async for frame in _frames(broker):
            deaf = deaf or frame[_LENGTH : _LENGTH + 4] in unheard
            if deaf:
                self.lost = True
            else:
                client.write(frame)
        client.write_eof()


async def _frames(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Whole frames, their length included, until the other side hangs up."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            length = await reader.readexactly(_LENGTH)
            yield length + await reader.readexactly(int.from_bytes(length))
