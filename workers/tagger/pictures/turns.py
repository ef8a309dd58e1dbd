"""Whose turn it is: so many pictures at a time, so many of one host, and no waiting without end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

from schemas import ImageStatus
from workers.tagger.pictures.picture import NoPicture


class Turns:
    """Gives out turns, in the order in which they are asked for.

    The host's place comes first: what waits for a slow host then holds none of the places of the others.
    """

    def __init__(self, total: int, per_host: int, wait: float) -> None:
        self._places: Final = asyncio.Semaphore(total)
        self._per_host: Final = per_host
        self._wait: Final = wait
        # Weak, since strangers choose the names: a host is forgotten with its last picture.
        self._hosts: Final[WeakValueDictionary[str, asyncio.Semaphore]] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, host: str) -> AsyncIterator[None]:
        """Hold one place for a picture of `host` while the block runs.

        Raises:
            NoPicture: `timeout`, since no place came free in the time there is to wait.
        """
        places = self._hosts.setdefault(host, asyncio.Semaphore(self._per_host))
        held: list[asyncio.Semaphore] = []
        try:
            try:
                async with asyncio.timeout(self._wait):
                    for semaphore in (places, self._places):
                        await semaphore.acquire()
                        held.append(semaphore)
            except TimeoutError:
                raise NoPicture(ImageStatus.TIMEOUT) from None
            yield
        finally:
            for semaphore in reversed(held):
                semaphore.release()
