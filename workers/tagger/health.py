"""What the probes are told, and the endpoint that tells them and Prometheus."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Thread
from time import monotonic
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from workers.errors import SetupError

# A loop that has not turned for this long hangs: twice what a full drain may take.
_STUCK_SECONDS: Final = 60.0


@dataclass(slots=True)
class Health:
    """The state of the worker as its probes see it; each field is written by one thread."""

    started: bool = False
    member: bool = False
    turned: float = field(default_factory=monotonic)

    @property
    def live(self) -> bool:
        """Whether the worker's loop turns."""
        return monotonic() - self.turned < _STUCK_SECONDS

    @property
    def ready(self) -> bool:
        """Whether the release is warm and the worker has its share of the partitions."""
        return self.started and self.member and self.live


class HealthServer:
    """Serves `/metrics`, `/health/live`, `/health/ready` and `/health/startup` from a thread of its own."""

    def __init__(self, health: Health, registry: CollectorRegistry, host: str, port: int) -> None:
        """Bind and serve.

        Raises:
            SetupError: the address is taken or not ours.
        """
        self._health = health
        self._registry = registry
        self._loop = asyncio.new_event_loop()
        bound: Future[int] = Future()
        self._thread = Thread(target=self._run, args=(host, port, bound), name="health", daemon=True)
        self._thread.start()
        try:
            self.port = bound.result()
        except OSError as error:
            self._thread.join()
            raise SetupError(
                f"the metrics port {host}:{port} can't be opened ({error.strerror}); "
                "choose another by --metrics-port, or 0 for a free one"
            ) from error

    def close(self) -> None:
        """Stop serving."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self, host: str, port: int, bound: Future[int]) -> None:
        runner = web.AppRunner(self._application(), access_log=None)
        try:
            self._loop.run_until_complete(runner.setup())
            try:
                self._loop.run_until_complete(web.TCPSite(runner, host, port).start())
            except OSError as error:
                bound.set_exception(error)
                return
            bound.set_result(runner.addresses[0][1])
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(runner.cleanup())
            self._loop.close()

    def _application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/metrics", self._metrics)
        application.router.add_get("/health/startup", self._probe("started"))
        application.router.add_get("/health/live", self._probe("live"))
        application.router.add_get("/health/ready", self._probe("ready"))
        return application

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    def _probe(self, name: str) -> Handler:
        async def answer(_: web.Request) -> web.Response:
            well = bool(getattr(self._health, name))
            return web.json_response({name: well}, status=200 if well else 503)

        return answer
