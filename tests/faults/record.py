"""What a figure needs beside it: the commit and the machine."""

from __future__ import annotations

import os
import platform
import subprocess


def commit_here() -> str:
    """The commit that is checked out; `+` where files are changed."""
    answer = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--exclude=*"],  # noqa: S607 - whichever git is on the path
        capture_output=True,
        text=True,
        check=True,
    )
    return answer.stdout.strip()


def machine() -> str:
    """The machine in words."""
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
