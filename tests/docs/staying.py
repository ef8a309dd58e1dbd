"""Commands that stay until they are told to end: begun, seen at work, and ended."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import SIGINT

from tests.interrupts import heed_interrupts
from workers.local.viewer_process import ViewerProcess
from workers.local.worker_process import WorkerProcess

# Not by `python -m`: where we are there is a folder `workers` too.
_RPBERT = str(Path(sys.executable).with_name("rpbert"))
_END_SECONDS = 60


def stays(words: Sequence[str]) -> bool:
    """Whether a command of rpbert's would not end by itself."""
    return "--help" not in words and (words[0] in {"viewer", "worker"} or list(words[:2]) == ["local", "up"])


def begin_and_end(words: Sequence[str], here: Path, variables: Mapping[str, str]) -> None:
    """Run such a command until it is at work, then end it."""
    match words:
        case ["viewer", *flags]:
            viewer = ViewerProcess(flags, here / "viewer.log").launch()
            try:
                viewer.wait_ready()
            finally:
                viewer.stop()
        case ["worker", *flags]:
            worker = WorkerProcess(
                flags, here / "worker.log", program=(_RPBERT, "worker"), environment=variables
            ).launch()
            try:
                worker.wait_ready()
            finally:
                worker.stop()
            assert worker.exit_status == 0
        case ["local", "up", *flags]:
            _local_up(flags)


def _local_up(flags: Sequence[str]) -> None:
    with subprocess.Popen(
        [_RPBERT, "local", "up", *flags],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,  # noqa: PLW1509 - it takes no lock
    ) as process:
        assert process.stdout is not None
        try:
            lines = [process.stdout.readline() for _ in range(3)]
        finally:
            process.send_signal(SIGINT)
        assert process.wait(_END_SECONDS) == 0
    assert all(line.startswith("export RPBERT_") for line in lines), lines
