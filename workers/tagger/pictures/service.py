"""The pictures' own thread: takes URLs from the Kafka thread, gives pictures back when they are there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock, Thread
from typing import Final

import structlog

from schemas import ImageStatus
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures.cache import FeatureCache
from workers.tagger.pictures.loader import Loader, open_loader
from workers.tagger.pictures.picture import Features, Picture

_CLOSE_SECONDS: Final = 5.0
# A name server that a stranger slows down holds a thread for each name, and asyncio's own pool has few.
_RESOLVER_THREADS: Final = 32

Done = Callable[[tuple[Picture, ...]], None]

_log = structlog.get_logger(__name__)


class PictureService:
    """Pictures of posts, had in a thread of its own. Every method may be called from any thread."""

    def __init__(
        self, settings: PictureSettings, *, backbone_digest: str, feature_channels: int, metrics: Metrics
    ) -> None:
        """Starts nothing yet.

        Args:
            settings: bounds, networks, and where Redis is.
            backbone_digest: names the backbone and all that happens to a picture before it; features in the
                cache are those of this digest.
            feature_channels: channels of one region's features.
            metrics: counts and times.

        Raises:
            workers.errors.SetupError: `redis_url` is no Redis URL.
        """
        self._settings: Final = settings
        self._metrics: Final = metrics
        self._cache: Final = FeatureCache(settings, backbone_digest, feature_channels, metrics)
        self._thread: Final = Thread(target=self._run, name="pictures", daemon=True)
        self._ready: Final[Future[None]] = Future()
        self._lock: Final = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: Final = asyncio.Event()
        self._posts: Final[set[asyncio.Task[None]]] = set()

    def start(self) -> None:
        """Start the thread; Redis need not be there."""
        self._thread.start()
        self._ready.result()

    def close(self) -> None:
        """Break off what is under way and end the thread, within seconds.

        A `done` that has not been called by then never is: its post is unfinished, not without a picture,
        and is read again by the next owner of its partition.
        """
        with self._lock:
            loop, self._loop = self._loop, None
            if loop is not None:
                loop.call_soon_threadsafe(self._stop.set)
        if self._thread.ident is not None:
            self._thread.join(_CLOSE_SECONDS)
            if self._thread.is_alive():
                _log.error("the pictures' thread did not end in time", seconds=_CLOSE_SECONDS)

    def submit(self, urls: tuple[str, ...], done: Done) -> None:
        """Have the pictures of a post; returns at once.

        `done` is called exactly once, from the pictures' thread, with as many pictures as `urls` in their
        order, whatever happens, unless `close` comes first. It must return soon: all posts wait for it.

        Raises:
            RuntimeError: not started, or closed.
        """
        with self._lock:
            if self._loop is None:
                raise RuntimeError("the picture service is not running")
            self._loop.call_soon_threadsafe(self._begin, urls, done)

    def remember(self, content: str, features: Features) -> None:
        """Keep the features `(49, channels)` of the picture `content` in the cache; returns at once.

        They must not change afterwards.
        """
        if not self._cache.keep_features(content, features):
            return
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._cache.share_features, content, features)

    def described(self, content: str) -> Features | None:
        """The features of the picture `content`, if this worker has them by now; asks no one."""
        return self._cache.described(content)

    def _run(self) -> None:
        # Not asyncio.run: its end waits for the default executor, where a slow name server may hold threads.
        loop = asyncio.new_event_loop()
        loop.set_default_executor(ThreadPoolExecutor(_RESOLVER_THREADS, thread_name_prefix="resolve"))
        try:
            loop.run_until_complete(self._main(loop))
        except BaseException as error:  # noqa: BLE001 - `start` raises it
            if self._ready.done():
                _log.exception("the pictures' thread ended")
            else:
                self._ready.set_exception(error)
        finally:
            loop.close()

    async def _main(self, loop: asyncio.AbstractEventLoop) -> None:
        async with open_loader(self._settings, self._cache, self._metrics) as loader:
            self._loader: Loader = loader
            with self._lock:
                self._loop = loop
            self._ready.set_result(None)
            await self._stop.wait()
            posts = list(self._posts)
            for post in posts:
                post.cancel()
            await asyncio.gather(*posts, return_exceptions=True)

    def _begin(self, urls: tuple[str, ...], done: Done) -> None:
        post = asyncio.ensure_future(self._serve(urls, done))
        self._posts.add(post)
        post.add_done_callback(self._posts.discard)

    async def _serve(self, urls: tuple[str, ...], done: Done) -> None:
        try:
            pictures = await self._loader.load(urls)
        except Exception as error:  # noqa: BLE001 - a post is never lost to its pictures
            _log.error("the pictures of a post met an internal error", error=type(error).__name__)
            pictures = tuple(Picture(url, ImageStatus.UNREACHABLE) for url in urls)
        try:
            done(pictures)
        except Exception:  # noqa: BLE001 - what one post can't take must not cost the others theirs
            _log.exception("a post could not take its pictures")
