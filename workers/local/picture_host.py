"""A small web server for pictures, which counts what is fetched and can be told to misbehave."""

from __future__ import annotations

import asyncio
import mimetypes
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from workers.local.ports import LOOPBACK
from workers.local.service import Service

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_STOP_TIMEOUT_S = 10.0


class PictureHost(Service):
    """Serves what was added, in a thread of its own; everything else is 404.

    ```
    with PictureHost() as host:
        host.add("cat.jpg", picture_bytes("chelsea.jpg"))
        fetch(host.url_of("cat.jpg"))
        assert host.hits["cat.jpg"] == 1
    ```

    Attributes:
        hits: How often each path was asked for, without the leading slash, unknown ones included.
    """

    def __init__(self) -> None:
        self.hits: Counter[str] = Counter()
        self._handlers: dict[str, Handler] = {}
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._runner: web.AppRunner | None = None
        self._port: int | None = None

    @property
    def url(self) -> str:
        """Its root, `http://127.0.0.1:port`."""
        if self._port is None:
            raise RuntimeError("the picture host is not started")
        return f"http://{LOOPBACK}:{self._port}"

    def url_of(self, name: str) -> str:
        """The URL of a path, whether something was added there or not."""
        return f"{self.url}/{quote(name.lstrip('/'))}"

    def add(self, path: str, content: bytes | Handler, *, content_type: str | None = None) -> str:
        """Serves bytes, or lets an aiohttp handler answer; may be called while serving.

        Args:
            path: Where, relative to the root.
            content: The body, or a coroutine function that takes the request (see `picture_faults`).
            content_type: Of a body; guessed from the path by default.

        Returns:
            The URL, once the host is started; the path otherwise.
        """
        path = path.lstrip("/")
        if isinstance(content, bytes):
            self._handlers[path] = _sends(content, content_type or _type_of(path))
        else:
            self._handlers[path] = content
        return path if self._port is None else self.url_of(path)

    def add_directory(self, directory: Path) -> None:
        """Serves every file directly in a directory under its name."""
        for file in sorted(directory.iterdir()):
            if file.is_file():
                self.add(file.name, file.read_bytes())

    def remove(self, path: str) -> None:
        """Answers 404 there from now on."""
        self._handlers.pop(path.lstrip("/"), None)

    def start(self) -> None:
        """Binds a free port and serves."""
        self._thread = threading.Thread(target=self._loop.run_forever, name="picture-host", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result()

    def close(self) -> None:
        """Stops serving; requests still being answered are cut off."""
        if self._thread is not None:
            if self._runner is not None:
                cleanup = asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop)
                cleanup.result(_STOP_TIMEOUT_S)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._thread = self._runner = self._port = None
        self._loop.close()

    async def _serve(self) -> None:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        # A hanging handler is a test's purpose, not a reason to wait for it at the end.
        self._runner = web.AppRunner(
            application, access_log=None, handler_cancellation=True, shutdown_timeout=0.0
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, LOOPBACK, 0)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        self.hits[path] += 1
        handler = self._handlers.get(path)
        if handler is None:
            raise web.HTTPNotFound
        return await handler(request)


def _sends(body: bytes, content_type: str) -> Handler:
    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type=content_type)

    return handler


def _type_of(path: str) -> str:
    return mimetypes.guess_type(path)[0] or "application/octet-stream"
