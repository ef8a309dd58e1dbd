"""Pictures as the model sees them: fetched past the guard, decoded in a confined process, drawn anew."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from io import BytesIO
from typing import Final

from cachetools import LRUCache
from PIL import Image
from starlette.concurrency import run_in_threadpool

from schemas import ImageStatus
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures.picture import Picture, Pixels
from workers.tagger.pictures.service import PictureService
from workers.viewer.answers import Refused
from workers.viewer.shown import ShownPost

# 150 kB each.
_REMEMBERED: Final = 256
_WAITING_MOST: Final = 64
_QUALITY: Final = 88


class Thumbnails:
    """Pictures of posts whose worker could use them. No byte of a stranger's reaches a browser."""

    def __init__(self, settings: PictureSettings) -> None:
        """Start nothing yet.

        Args:
            settings: as the workers', so that the same hosts are allowed; nothing goes to Redis, which holds
                features and no pictures.
        """
        self._service: Final = PictureService(
            settings.model_copy(update={"redis_url": None, "local_cache_mb": 0}),
            backbone_digest="viewer",
            feature_channels=0,
            metrics=Metrics(),
        )
        self._known: Final[LRUCache[str, Picture]] = LRUCache(_REMEMBERED)
        self._waiting: Final[set[asyncio.Future[tuple[Picture, ...]]]] = set()

    def start(self) -> None:
        """Start the pictures' thread."""
        self._service.start()

    def close(self) -> None:
        """End it; who waits is refused."""
        self._service.close()
        for answer in list(self._waiting):
            answer.get_loop().call_soon_threadsafe(_refuse, answer)

    async def jpeg(self, shown: ShownPost, index: int) -> bytes:
        """One picture of a post, 224 x 224, as JPEG.

        Raises:
            Refused: 404, there is no such picture, or it can't be had now; 503, too many are waited for.
        """
        images = shown.result.images
        if not 0 <= index < len(images):
            raise Refused(404, f"the post has {len(images)} pictures, numbered from 0; {index} is none")
        if images[index].status is not ImageStatus.OK:
            raise Refused(404, f"the worker could not use this picture ({images[index].status.value})")
        (picture,) = await self.load([images[index].url])
        if picture.pixels is None:
            raise Refused(404, f"the picture can't be had any more ({picture.status.value})")
        return await run_in_threadpool(_encode, picture.pixels)

    async def load(self, urls: Sequence[str]) -> tuple[Picture, ...]:
        """A picture for each URL; one that can't be had has a status that says why.

        Raises:
            Refused: 503, too many are waited for.
        """
        had = {url: self._known[url] for url in urls if url in self._known}
        missing = tuple(dict.fromkeys(url for url in urls if url not in had))
        if missing:
            if len(self._waiting) >= _WAITING_MOST:
                raise Refused(503, "too many pictures are being fetched; try again")
            fetched = dict(zip(missing, await self._fetch(missing), strict=True))
            self._known.update({url: each for url, each in fetched.items() if each.pixels is not None})
            had |= fetched
        return tuple(had[url] for url in urls)

    async def _fetch(self, urls: tuple[str, ...]) -> tuple[Picture, ...]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[tuple[Picture, ...]] = loop.create_future()

        def take(pictures: tuple[Picture, ...]) -> None:
            # Who asked may have gone meanwhile.
            if not answer.done():
                answer.set_result(pictures)

        def done(pictures: tuple[Picture, ...]) -> None:
            loop.call_soon_threadsafe(take, pictures)

        self._waiting.add(answer)
        try:
            self._service.submit(urls, done)
            return await answer
        finally:
            self._waiting.discard(answer)


def _refuse(answer: asyncio.Future[tuple[Picture, ...]]) -> None:
    if not answer.done():
        answer.set_exception(Refused(503, "the viewer ends; try again when it is back"))


def _encode(pixels: Pixels) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
