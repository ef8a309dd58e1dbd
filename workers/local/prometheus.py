"""A real Prometheus and its promtool, from Debian's package or as the machine has them."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from workers.local.debian import debian_program
from workers.local.errors import LocalServiceError
from workers.local.ports import LOOPBACK, free_ports
from workers.local.process import ServerProcess
from workers.local.progress import Progress, silent
from workers.local.service import Service

START_TIMEOUT_S = 60.0
STOP_GRACE_S = 10.0


class _NotReady(Exception):
    """The server does not answer yet."""


def promtool(arguments: Sequence[str], *, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run promtool to its end; the caller judges its status.

    Args:
        arguments: such as `["check", "rules", "rules.yaml"]`.
        text: its standard input.

    Raises:
        LocalServiceError: it is not to be had here.
    """
    program = debian_program("prometheus", "promtool")
    return subprocess.run(  # noqa: S603 - a command of ours, no shell
        [str(program), *arguments], input=text, capture_output=True, text=True, check=False
    )


class PrometheusServer(Service):
    """A Prometheus on a free loopback port, with a store of its own that ends with it.

    Args:
        configuration: as `prometheus.yml` says it; JSON, which is YAML.
        blocks: OpenMetrics text of the past, with a time stamp on each sample, to begin with.
        progress: told what takes time.
    """

    def __init__(
        self, configuration: Mapping[str, Any], *, blocks: str = "", progress: Progress = silent
    ) -> None:
        self._configuration = configuration
        self._blocks = blocks
        self._progress = progress
        self._directory: Path | None = None
        self._process: ServerProcess | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Its root, `http://127.0.0.1:port`."""
        return f"http://{LOOPBACK}:{self._port}"

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            LocalServiceError: it is not to be had here, or did not come up.
        """
        program = debian_program("prometheus", "prometheus", self._progress)
        self._directory = directory = Path(tempfile.mkdtemp(prefix="rpbert-prometheus-"))
        (configuration := directory / "prometheus.yml").write_text(json.dumps(self._configuration), "utf-8")
        store = directory / "store"
        if self._blocks:
            (past := directory / "past.txt").write_text(self._blocks, "utf-8")
            made = promtool(["tsdb", "create-blocks-from", "openmetrics", str(past), str(store)])
            if made.returncode:
                raise LocalServiceError(f"promtool takes no such past: {made.stderr.strip()}")
        (self._port,) = free_ports(1)
        self._process = ServerProcess(
            "Prometheus",
            [
                *(str(program), f"--config.file={configuration}", f"--storage.tsdb.path={store}"),
                # A week-old block is to be there still.
                *(f"--web.listen-address={LOOPBACK}:{self._port}", "--storage.tsdb.retention.time=30d"),
            ],
            directory / "prometheus.log",
        )
        self._process.launch()
        self._await_ready(self._process)

    def close(self) -> None:
        """End it and drop its store."""
        if self._process is not None:
            self._process.stop(STOP_GRACE_S)
            self._process = None
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an expression now, as its HTTP API gives them.

        Raises:
            LocalServiceError: it does not take the expression.
        """
        return self._ask("query", query=expression)

    def query_range(self, expression: str, *, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """The series of an expression between two times in seconds, `values` each `step` seconds.

        Raises:
            LocalServiceError: it does not take the expression.
        """
        return self._ask("query_range", query=expression, start=start, end=end, step=step)

    def rules(self) -> list[dict[str, Any]]:
        """Its rules with their health, as its HTTP API gives them."""
        with urlopen(f"{self.url}/api/v1/rules", timeout=30) as answer:  # noqa: S310
            groups = json.load(answer)["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def _ask(self, what: str, **parameters: object) -> list[dict[str, Any]]:
        try:
            with urlopen(f"{self.url}/api/v1/{what}?{urlencode(parameters)}", timeout=30) as answer:  # noqa: S310
                found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
                return found
        except URLError as error:
            raise LocalServiceError(f"Prometheus does not take {parameters['query']!r}: {error}") from error

    def _await_ready(self, process: ServerProcess) -> None:
        waiting = Retrying(
            retry=retry_if_exception_type(_NotReady),
            stop=stop_after_delay(START_TIMEOUT_S),
            wait=wait_fixed(0.05),
            reraise=True,
        )
        try:
            waiting(self._check_ready, process)
        except _NotReady:
            raise LocalServiceError(f"Prometheus did not answer within {START_TIMEOUT_S:.0f} s") from None

    def _check_ready(self, process: ServerProcess) -> None:
        if not process.running:
            lines = process.log_since_start.strip().splitlines()
            raise LocalServiceError(f"Prometheus ended while starting: {lines[-1] if lines else 'no log'}")
        try:
            with urlopen(f"{self.url}/-/ready", timeout=2):  # noqa: S310
                return
        except (URLError, OSError) as error:
            raise _NotReady from error
