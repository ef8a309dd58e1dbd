"""Becomes a server, and leaves behind a guard that kills it when the process that started it is gone.

Run as a script: `python -I -S guard.py COMMAND ARGUMENT...`, with the read end of a pipe as standard input.
The starter holds the other end. However it ends, `kill -9` included, the kernel closes that end, the guard
reads the end of file and kills the server.

Linux has `PR_SET_PDEATHSIG` for this, but it fires when the *thread* that forked ends, not the process, and
macOS has nothing like it. A pipe is right with threads and on both.

The script itself turns into the server by exec, so the starter's process id is the server's own: signals,
waiting and exit codes are direct.
"""

from __future__ import annotations

import os
import select
import signal
import sys


def main() -> None:
    """Forks the guard, then turns into the command."""
    server = os.getpid()
    # The server keeps the writing end open over exec, so the guard sees its end as an end of file too.
    server_ended, held_by_server = os.pipe()
    os.set_inheritable(held_by_server, True)
    if os.fork() == 0:
        os.close(held_by_server)
        _watch(server, server_ended)
        os._exit(0)
    os.close(server_ended)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    try:
        os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 - it must become the server, no shell between
    except OSError as error:
        sys.exit(f"cannot run {sys.argv[1]}: {error.strerror}")


def _watch(server: int, server_ended: int) -> None:
    ready, _, _ = select.select([0, server_ended], [], [])
    # Our parent is the server; once it is another process the server has ended and its number may be
    # somebody else's.
    if server_ended not in ready and os.getppid() == server:
        os.kill(server, signal.SIGKILL)


if __name__ == "__main__":
    main()
