"""The page with all its parts, served in a thread."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import ExitStack
from threading import Thread
from typing import Final, Self

import uvicorn

from workers import kafka_clients
from workers.errors import SetupError
from workers.settings import ViewerSettings
from workers.viewer.application import Viewer
from workers.viewer.feed import Feed
from workers.viewer.lag import LagReader
from workers.viewer.posts import Posts
from workers.viewer.stream import Stream
from workers.viewer.thumbnails import Thumbnails
from workers.viewer.timeline import Timeline
from workers.viewer.uploads import Uploads
from workers.viewer.writer import Writer

_CLOSE_SECONDS: Final = 5


class ViewerServer:
    """A viewer; used as a context, it follows Kafka and serves its page meanwhile.

    Attributes:
        timeline: what it shows.
    """

    def __init__(self, settings: ViewerSettings) -> None:
        """Start nothing yet."""
        self._settings: Final = settings
        self._running = ExitStack()
        self._url = ""
        self.timeline: Final = Timeline(settings.history)

    @property
    def url(self) -> str:
        """Where browsers and workers reach it, without a slash at the end."""
        return self._url

    def __enter__(self) -> Self:
        """Start.

        Raises:
            SetupError: the port is taken, the release can't be loaded, or no broker answers a writer.
        """
        with ExitStack() as starting:
            self._start(starting)
            self._running = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def _start(self, starting: ExitStack) -> None:
        settings, timeline = self._settings, self.timeline
        listening = starting.enter_context(_listen(settings.viewer_host, settings.viewer_port))
        given = settings.viewer_url
        self._url = str(given or f"http://{settings.viewer_host}:{listening.getsockname()[1]}").rstrip("/")
        thumbnails = None if settings.hide_pictures else Thumbnails(settings.pictures)
        explainer = None
        if settings.attention and thumbnails is not None:
            from workers.viewer.attention import Explainer  # noqa: PLC0415 - torch, for who wants it

            explainer = Explainer(settings.model, thumbnails)
            starting.callback(explainer.close)
        writer = None
        if settings.allow_posts or settings.allow_corrections:
            producer = kafka_clients.plain_producer(settings.kafka)
            starting.callback(producer.close, timeout=_CLOSE_SECONDS)
            writer = Writer(producer, settings.kafka)
        for reader in (
            Feed(settings.kafka, timeline, history=settings.history),
            LagReader(settings.kafka, settings.group_id, timeline),
        ):
            reader.start()
            starting.callback(reader.close)
        stream = Stream(timeline, history=settings.history, most=settings.max_viewers)
        viewer = Viewer(
            settings,
            url=self._url,
            stream=stream,
            posts=Posts(settings.kafka, timeline),
            uploads=Uploads(settings.pictures.fetch_max_bytes),
            thumbnails=thumbnails,
            explainer=explainer,
            writer=writer,
        )
        if thumbnails is not None:
            thumbnails.start()
        starting.callback(_serve(viewer, stream, listening))
        if thumbnails is not None:
            # First of all: the page waits for the answers that wait for pictures.
            starting.callback(thumbnails.close)


def _serve(viewer: Viewer, stream: Stream, listening: socket.socket) -> Callable[[], None]:
    server = uvicorn.Server(
        uvicorn.Config(
            viewer.application(),
            access_log=False,
            log_config=None,
            log_level="warning",
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=_CLOSE_SECONDS,
        )
    )
    thread = Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])), name="page", daemon=True)
    thread.start()

    def close() -> None:
        # It waits for the answers that are under way, and these never end by themselves.
        stream.close()
        server.should_exit = True
        thread.join()

    return close


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise SetupError(
            f"the page can't be served at {host}:{port} ({error.strerror}); give another --viewer-port, or 0 "
            "for a free one"
        ) from error
