"""A server as a child process: started, stopped, killed, and never left behind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from workers.local.errors import LocalServiceError

_GUARD = Path(__file__).with_name("guard.py")
_LINES_SHOWN_FROM = 64 * 1024


class ServerProcess:
    """One server with its log file; can be started again after it ended.

    The server runs in a process group of its own, so Ctrl-C in the terminal reaches only us and the shutdown
    keeps its order. Not in a session of its own: to Linux each session is a group that shares the cores with
    the others (`sched_autogroup_enabled`), and on two full cores a broker's threads waited up to 0.2 s for
    one. It dies with this process even when this process is killed (see `guard.py`).

    Args:
        name: How messages call it, such as `Apache Kafka broker 1`.
        command: Absolute path of the program and its arguments.
        log_path: Where its standard output and error go, appended over restarts.
        environment: Its environment variables; ours by default.

    Attributes:
        exit_status: How it ended when it was last stopped or killed; negative for a signal's number.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log_path: Path,
        *,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._environment = environment
        self.log_path = log_path
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0
        self.exit_status: int | None = None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The server's own process id.

        Raises:
            LocalServiceError: It is not running.
        """
        if self._process is None or not self.running:
            raise LocalServiceError(f"{self.name} is not running")
        return self._process.pid

    @property
    def log_since_start(self) -> str:
        """What it has logged since its last start, at most the last 64 KiB."""
        with self.log_path.open("rb") as log:
            end = log.seek(0, 2)
            log.seek(max(self._log_start, end - _LINES_SHOWN_FROM))
            return log.read().decode("utf-8", "replace")

    def launch(self) -> None:
        """Starts it and returns at once.

        Raises:
            LocalServiceError: It is running already.
        """
        if self.running:
            raise LocalServiceError(f"{self.name} is running already")
        self._release()
        with self.log_path.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(  # noqa: S603 - a command of ours, no shell
                [sys.executable, "-I", "-S", str(_GUARD), *self._command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
                env=self._environment,
            )

    def stop(self, grace_s: float) -> None:
        """Asks it to end (SIGTERM) and kills it when it has not after `grace_s` seconds."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._release()

    def kill(self) -> None:
        """Ends it at once (SIGKILL), as a crash would."""
        if self._process is not None:
            self._process.kill()
        self._release()

    def _release(self) -> None:
        if self._process is None:
            return
        self.exit_status = self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None
