"""A terminal of a given width, and what `rpbert` shows on it."""

from __future__ import annotations

import os
import pty
import re
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread

import pytest
from rich.cells import cell_len

from workers.cli import main

_LINES = 40
_STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_READ_BYTES = 65_536


class Terminal:
    """Runs `rpbert` in this process, with standard output and error on a terminal or away from it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._monkeypatch = monkeypatch
        self._folder = folder

    def show(self, *words: str, cells: int = 80) -> str:
        """All that stands on the terminal, without colours and the cursor's ways."""
        with _terminal(cells) as (device, seen):
            self._run(words, device, device)
        return _plain(seen())

    def pipe(self, *words: str, cells: int = 80) -> tuple[str, str]:
        """What a pipe gets, and what stands on the terminal beside it."""
        file = self._folder / "output"
        with _terminal(cells) as (device, seen), file.open("wb") as output:
            self._run(words, output.fileno(), device)
        return file.read_text("utf-8"), _plain(seen())

    def _run(self, words: tuple[str, ...], output: int, errors: int) -> None:
        for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
            self._monkeypatch.delenv(name, raising=False)
        self._monkeypatch.setenv("TERM", "xterm-256color")
        self._monkeypatch.setattr(sys, "argv", ["rpbert", *words])
        with ExitStack() as stack:
            for number, name, target in ((1, "stdout", output), (2, "stderr", errors)):
                # Rich asks the descriptors how wide the terminal is.
                before = os.dup(number)
                stack.callback(os.close, before)
                stack.callback(os.dup2, before, number)
                os.dup2(target, number)
                stream = stack.enter_context(os.fdopen(os.dup(target), "w", encoding="utf-8"))
                self._monkeypatch.setattr(sys, name, stream)
            try:
                main()
            except SystemExit as end:
                if end.code:
                    raise AssertionError(f"rpbert {' '.join(words)} ended with {end.code}") from None


@contextmanager
def _terminal(cells: int) -> Iterator[tuple[int, Callable[[], bytes]]]:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (_LINES, cells))
    read: list[bytes] = []
    reader = Thread(target=_read, args=(ours, read))
    reader.start()
    try:
        yield theirs, lambda: b"".join(read)
    finally:
        os.close(theirs)
        reader.join()
        os.close(ours)


def _read(device: int, read: list[bytes]) -> None:
    while True:
        try:
            chunk = os.read(device, _READ_BYTES)
        except OSError:
            # Linux says so when nobody has the other end open any more.
            return
        if not chunk:
            return
        read.append(chunk)


def _plain(seen: bytes) -> str:
    return _STYLE.sub("", seen.decode()).replace("\r\n", "\n")


def widest(text: str) -> int:
    """Cells of the longest line."""
    return max((cell_len(part) for line in text.splitlines() for part in line.split("\r")), default=0)
