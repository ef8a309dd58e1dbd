"""A viewer of this machine, for the demo."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self
from urllib.error import URLError
from urllib.request import urlopen

from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from workers.local.errors import LocalServiceError
from workers.local.ports import LOOPBACK, free_ports
from workers.local.process import ServerProcess

_START_SECONDS: Final = 120.0
_STOP_SECONDS: Final = 15.0


class _NotReady(Exception):
    """It does not answer yet."""


class ViewerProcess:
    """One `rpbert viewer` with its log file.

    Args:
        flags: flags of the command, without the page's address.
        log_path: where its log goes.

    Attributes:
        url: where its page is.
    """

    def __init__(self, flags: Sequence[str], log_path: Path) -> None:
        port = free_ports(1)[0]
        self.url: Final = f"http://{LOOPBACK}:{port}"
        self._log_path: Final = log_path
        command = [sys.executable, "-m", "workers.cli", "viewer", *flags]
        address = ["--viewer-host", LOOPBACK, "--viewer-port", str(port)]
        # Its flags say all; settings of the shell around us are for other viewers.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("RPBERT_")}
        self._process: Final = ServerProcess(
            "the viewer", [*command, *address], log_path, environment=environment
        )

    def launch(self) -> Self:
        """Start it and return at once."""
        self._process.launch()
        return self

    def wait_ready(self) -> Self:
        """Wait until it answers.

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
            raise self._failed(f"did not answer within {_START_SECONDS:.0f} s") from None
        return self

    def stop(self) -> None:
        """End it by SIGTERM and wait until it is gone."""
        self._process.stop(_STOP_SECONDS)

    def _ask(self) -> None:
        if not self._process.running:
            raise self._failed("ended while it started")
        try:
            with urlopen(f"{self.url}/api/about", timeout=2):  # noqa: S310 - of ours, on loopback
                pass
        except (URLError, OSError):
            raise _NotReady from None

    def _failed(self, how: str) -> LocalServiceError:
        lines = [line for line in self._process.log_since_start.splitlines() if line.strip()]
        last = lines[-1] if lines else "it logged nothing"
        return LocalServiceError(f"the viewer {how}: {last} (log: {self._log_path})")
