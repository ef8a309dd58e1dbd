"""Pictures that were given with a post on the page, for the workers to fetch."""

from __future__ import annotations

from typing import Final
from uuid import uuid4

from cachetools import LRUCache

from model.pictures import HEAD_BYTES, begins_like_a_picture
from workers.viewer.answers import Refused

_MAX_BYTES: Final = 64 * 1024 * 1024


class Uploads:
    """The last pictures, in memory, each under a name that can't be guessed."""

    def __init__(self, max_bytes: int) -> None:
        """Hold nothing yet.

        Args:
            max_bytes: of one picture, as workers take it.
        """
        self.max_bytes: Final = min(max_bytes, _MAX_BYTES)
        self._held: Final[LRUCache[str, bytes]] = LRUCache(_MAX_BYTES, len)

    def keep(self, data: bytes) -> str:
        """Keep a picture; its name.

        Raises:
            Refused: 415, the bytes are of no format that workers read.
        """
        if not begins_like_a_picture(data[:HEAD_BYTES]):
            raise Refused(415, "the file is no JPEG, PNG, WebP, GIF or AVIF; choose another")
        name = uuid4().hex
        self._held[name] = data
        return name

    def find(self, name: str) -> bytes:
        """The bytes of a picture.

        Raises:
            Refused: 404, there is none, or others have taken its place.
        """
        if (data := self._held.get(name)) is None:
            raise Refused(404, "no such picture is held any more")
        return data
