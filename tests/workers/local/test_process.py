"""Child processes: nothing is left behind, however the parent ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from workers.local.errors import LocalServiceError
from workers.local.process import ServerProcess

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
DEAF = [
    sys.executable,
    "-c",
    (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('up', flush=True); time.sleep(600)"
    ),
]

# Starts a server from a thread that ends at once, says its process id, and waits to be killed.
PARENT = """
import sys, threading, time
from pathlib import Path
from workers.local.process import ServerProcess

server = ServerProcess("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"], Path(sys.argv[1]))
starter = threading.Thread(target=server.launch)
starter.start()
starter.join()
print(server.pid, flush=True)
time.sleep(600)
"""


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited 30 s in vain"
        time.sleep(0.02)


def processes() -> dict[int, str]:
    """Process id and command line of everything that runs; what ended and only waits for init does not."""
    if not Path("/proc/self/stat").exists():
        command = ["/bin/ps", "-axww", "-o", "pid=,stat=,args="]
        listed = subprocess.run(command, capture_output=True, check=True)
        rows = [line.split(None, 2) for line in listed.stdout.decode().splitlines()]
        return {int(row[0]): row[-1] for row in rows if not row[1].startswith("Z")}
    found = {}
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            # Empty for a process that has ended.
            if arguments := (directory / "cmdline").read_bytes():
                found[int(directory.name)] = arguments.replace(b"\0", b" ").decode("utf-8", "replace")
    return found


def alive(pid: int) -> bool:
    return pid in processes()


def running_with(marker: str) -> list[str]:
    return [command for command in processes().values() if marker in command]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "server.log"


def test_a_server_is_killed_when_its_parent_is_killed(log: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        server = int(parent.stdout.readline())
        # The thread that forked has ended; the server must not have.
        time.sleep(0.3)
        assert alive(server)
        parent.kill()
    until(lambda: not alive(server))


def test_nothing_is_left_after_a_stop(log: Path) -> None:
    marker = f"marker-{os.getpid()}"
    server = ServerProcess("sleeper", [*SLEEP, marker], log)
    server.launch()
    until(lambda: "up" in server.log_since_start)
    assert running_with(marker)
    server.stop(grace_s=30)
    until(lambda: not running_with(marker))


def test_a_server_that_does_not_listen_to_reason_is_killed(log: Path) -> None:
    server = ServerProcess("deaf", DEAF, log)
    server.launch()
    until(lambda: "up" in server.log_since_start)
    server.stop(grace_s=0.1)
    assert not server.running


def test_a_killed_server_can_be_started_again_and_shows_only_its_new_log(log: Path) -> None:
    server = ServerProcess("sleeper", SLEEP, log)
    server.launch()
    first = server.pid
    until(lambda: "up" in server.log_since_start)
    server.kill()
    assert not server.running
    server.launch()
    try:
        assert server.pid != first
        until(lambda: server.log_since_start.count("up") == 1)
        assert log.read_text().count("up") == 2
    finally:
        server.kill()


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(log: Path) -> None:
    server = ServerProcess("sleeper", SLEEP, log)
    server.launch()
    try:
        until(lambda: "up" in server.log_since_start)
        assert os.getpgid(server.pid) != os.getpgid(0)
    finally:
        server.kill()


def test_servers_share_the_cores_thread_by_thread(log: Path) -> None:
    server = ServerProcess("sleeper", SLEEP, log)
    server.launch()
    try:
        # A session is a group to Linux's scheduler, and threads of a group that sleeps much wait long.
        assert os.getsid(server.pid) == os.getsid(0)
    finally:
        server.kill()


def test_starting_twice_and_asking_a_stopped_one_for_its_id_are_refused(log: Path) -> None:
    server = ServerProcess("sleeper", SLEEP, log)
    with pytest.raises(LocalServiceError, match="sleeper is not running"):
        _ = server.pid
    server.launch()
    try:
        with pytest.raises(LocalServiceError, match="sleeper is running already"):
            server.launch()
    finally:
        server.kill()


def test_a_program_that_is_not_there_ends_at_once_and_its_log_says_so(log: Path, tmp_path: Path) -> None:
    server = ServerProcess("ghost", [str(tmp_path / "ghost")], log)
    server.launch()
    until(lambda: not server.running)
    assert "cannot run" in server.log_since_start
    server.stop(grace_s=1)


def test_a_server_told_to_end_directly_takes_its_guard_along(log: Path) -> None:
    marker = f"marker-direct-{os.getpid()}"
    server = ServerProcess("sleeper", [*SLEEP, marker], log)
    server.launch()
    os.kill(server.pid, signal.SIGKILL)
    until(lambda: not server.running)
    until(lambda: not running_with(marker))
    server.kill()
