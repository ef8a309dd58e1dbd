"""Several whole workers as one: started, watched, started again, told to end, with one endpoint for all."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from time import monotonic
from typing import Final

import structlog
from aiohttp import ClientSession, web
from aiohttp.typedefs import Handler
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from workers import logs
from workers.backoff import jittered
from workers.errors import SetupError
from workers.metrics import SupervisorMetrics
from workers.settings import WorkerSettings
from workers.tagger.merged import ask_health, ask_metrics, merged

_LOOPBACK: Final = "127.0.0.1"
_SECOND_SIGNAL_STATUS: Final = 130
# One that has worked for so long and ends is started again as soon as the first time.
_STEADY_SECONDS: Final = 60.0

# By SIGTERM, before a worker could answer it in its own way, or after.
_TOLD_TO_END: Final = (0, -signal.SIGTERM, 128 + signal.SIGTERM)

Serve = Callable[[WorkerSettings, Connection], None]
"""One worker, in a process of its own: it sends the port of its endpoint once it is ready to work."""


@dataclass(slots=True)
class _Process:
    """One of the workers, as long as its process lives."""

    handle: SpawnProcess
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    port: int | None = None


def supervise(settings: WorkerSettings, serve: Serve) -> None:
    """Run `settings.processes` workers until a signal ends them.

    Raises:
        SetupError: a worker could not start, or the endpoint can't be opened.
    """
    logs.set_up()
    # As many threads as there are cores, in each of them, would only wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // settings.processes)))
    asyncio.run(_Supervisor(settings, serve).run())


class _Supervisor:
    """Keeps the workers; everything happens in one event loop."""

    def __init__(self, settings: WorkerSettings, serve: Serve) -> None:
        self._settings = settings
        self._serve = serve
        self._log = structlog.get_logger(__name__)
        self._metrics = SupervisorMetrics()
        self._context = multiprocessing.get_context("spawn")
        self._processes: dict[int, _Process] = {}
        self._stopping = asyncio.Event()
        self._started = False
        self._failed = False

    async def run(self) -> None:
        """Until all have ended.

        Raises:
            SetupError: see `supervise`.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        async with ClientSession() as session:
            runner = web.AppRunner(self._application(session), access_log=None)
            await runner.setup()
            try:
                await self._open(runner)
                await asyncio.gather(*(self._keep(number) for number in range(self._settings.processes)))
            finally:
                await runner.cleanup()
        if self._failed:
            raise SetupError("a worker process has failed; its own line above says why")

    async def _open(self, runner: web.AppRunner) -> None:
        host, port = self._settings.metrics_host, self._settings.metrics_port
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise SetupError(
                f"the metrics port {host}:{port} can't be opened ({error.strerror}); "
                "choose another by --metrics-port, or 0 for a free one"
            ) from error
        self._log.info(
            "the workers start", processes=self._settings.processes, metrics_port=runner.addresses[0][1]
        )

    async def _keep(self, number: int) -> None:
        """Start a worker, and again whenever it ends by itself."""
        failures = 0
        while not self._stopping.is_set():
            began = monotonic()
            process = self._start(number)
            await process.ended.wait()
            process.handle.join()
            status = process.handle.exitcode
            self._processes.pop(number)
            self._metrics.up.labels(str(number)).set(0)
            if self._stopping.is_set():
                self._failed = self._failed or status not in _TOLD_TO_END
                return
            if not self._started and status:
                # What keeps the first start from succeeding is for a person to mend, as with one worker.
                self._failed = True
                self._stop()
                return
            failures = 1 if monotonic() - began >= _STEADY_SECONDS else failures + 1
            seconds = jittered(failures, first=1, most=30)
            self._metrics.restarts.labels(str(number)).inc()
            self._log.error(
                "a worker process has ended and is started again",
                process=number,
                status=status,
                seconds=round(seconds, 1),
            )
            await self._wait(seconds)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    def _start(self, number: int) -> _Process:
        loop = asyncio.get_running_loop()
        ours, theirs = self._context.Pipe(duplex=False)
        handle = self._context.Process(
            target=self._serve, args=(self._settings_of(number), theirs), name=f"worker-{number}"
        )
        handle.start()
        theirs.close()
        process = _Process(handle)
        self._processes[number] = process
        self._metrics.up.labels(str(number)).set(1)

        def hear() -> None:
            loop.remove_reader(ours.fileno())
            try:
                process.port = ours.recv()
                self._started = True
            except EOFError:
                # It has ended before, which its sentinel tells.
                return
            finally:
                ours.close()

        def note_end() -> None:
            loop.remove_reader(handle.sentinel)
            process.ended.set()

        loop.add_reader(ours.fileno(), hear)
        loop.add_reader(handle.sentinel, note_end)
        return process

    def _settings_of(self, number: int) -> WorkerSettings:
        """Those of one worker: a name of its own, an endpoint that only we ask."""
        instance = self._settings.group_instance_id
        return self._settings.model_copy(
            update={
                "processes": 1,
                "group_instance_id": None if instance is None else f"{instance}-{number}",
                "metrics_host": _LOOPBACK,
                "metrics_port": 0,
            }
        )

    def _on_signal(self) -> None:
        if self._stopping.is_set():
            for process in self._processes.values():
                process.handle.kill()
            # Nothing is lost: what isn't committed is read again.
            os._exit(_SECOND_SIGNAL_STATUS)
        self._stop()

    def _stop(self) -> None:
        self._stopping.set()
        for process in self._processes.values():
            process.handle.terminate()

    def _addresses(self) -> dict[int, str]:
        return {
            number: f"http://{_LOOPBACK}:{process.port}"
            for number, process in sorted(self._processes.items())
            if process.port is not None
        }

    def _application(self, session: ClientSession) -> web.Application:
        async def metrics(_: web.Request) -> web.Response:
            pages = await ask_metrics(session, self._addresses())
            body = merged(pages, self._metrics.registry)
            return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

        application = web.Application()
        application.router.add_get("/metrics", metrics)
        for name, probe in (("startup", "started"), ("live", "live"), ("ready", "ready")):
            application.router.add_get(f"/health/{name}", self._probe(session, name, probe))
        return application

    def _probe(self, session: ClientSession, name: str, told: str) -> Handler:
        async def answer(_: web.Request) -> web.Response:
            says = await ask_health(session, self._addresses(), name)
            # One that is being started again is no reason to end the others.
            whole = all(says.values()) and (name == "live" or len(says) == self._settings.processes)
            body = {
                told: whole,
                "processes": [
                    {"process": number, "pid": process.handle.pid, told: says.get(number, False)}
                    for number, process in sorted(self._processes.items())
                ],
            }
            return web.json_response(body, status=200 if whole else 503)

        return answer
