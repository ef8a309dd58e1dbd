"""A tagger process of this machine, started and watched like the other local services."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self
from urllib.error import URLError
from urllib.request import urlopen

from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from workers.local.errors import LocalServiceError
from workers.local.ports import LOOPBACK, free_ports
from workers.local.process import ServerProcess

RPBERT_WORKER = (sys.executable, "-m", "workers.cli", "worker")

_START_SECONDS = 120.0
_STOP_SECONDS = 40.0


class _NotReady(Exception):
    """It has not joined its group yet."""


class WorkerProcess:
    """One `rpbert worker` with its log file.

    Args:
        flags: flags of the command, without the metrics address.
        log_path: where its log goes.
        name: how messages call it.
        program: what takes the flags; the fault suite runs workers that break in their own ways.
        environment: variables beside those of ours, such as a pod's.
    """

    def __init__(
        self,
        flags: Sequence[str],
        log_path: Path,
        *,
        name: str = "the worker",
        program: Sequence[str] = RPBERT_WORKER,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.metrics_port = free_ports(1)[0]
        self.log_path = log_path
        self._name = name
        address = ("--metrics-host", LOOPBACK, "--metrics-port", str(self.metrics_port))
        # Its flags say all; settings of the shell around us are for other workers.
        ours = {key: value for key, value in os.environ.items() if not key.startswith("RPBERT_")}
        self._process = ServerProcess(
            name, [*program, *flags, *address], log_path, environment={**ours, **(environment or {})}
        )

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process.running

    @property
    def pid(self) -> int:
        """Its process id.

        Raises:
            LocalServiceError: it is not running.
        """
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """How it ended when it was last stopped or killed; negative for a signal's number."""
        return self._process.exit_status

    @property
    def ready(self) -> bool:
        """Whether it says that it is ready: the release warm, the group joined."""
        try:
            with urlopen(f"http://{LOOPBACK}:{self.metrics_port}/health/ready", timeout=2):
                return True
        except (URLError, OSError):
            return False

    def launch(self) -> Self:
        """Start it and return at once."""
        self._process.launch()
        return self

    def wait_ready(self) -> Self:
        """Wait until it says that it is ready: the release warm, the group joined.

        Raises:
            LocalServiceError: it ended, or took too long; the message holds its last line.
        """
        attempt = retry(
            retry=retry_if_exception_type(_NotReady),
            stop=stop_after_delay(_START_SECONDS),
            wait=wait_fixed(0.1),
            reraise=True,
        )
        try:
            attempt(self._ask)()
        except _NotReady:
            raise self._failed(f"was not ready within {_START_SECONDS:.0f} s") from None
        return self

    def metrics(self) -> str:
        """What it tells Prometheus, as text."""
        with urlopen(f"http://{LOOPBACK}:{self.metrics_port}/metrics", timeout=5) as answer:
            text: str = answer.read().decode()
        return text

    def stop(self, grace_s: float = _STOP_SECONDS) -> None:
        """End it by SIGTERM, as Kubernetes does, and wait until it is gone; by SIGKILL after `grace_s`."""
        self._process.stop(grace_s)

    def kill(self) -> None:
        """End it by SIGKILL."""
        self._process.kill()

    def _ask(self) -> None:
        if not self._process.running:
            raise self._failed("ended while it started")
        if not self.ready:
            raise _NotReady

    def _failed(self, how: str) -> LocalServiceError:
        lines = [line for line in self._process.log_since_start.splitlines() if line.strip()]
        last = lines[-1] if lines else "it logged nothing"
        return LocalServiceError(f"{self._name} {how}: {last} (log: {self.log_path})")
