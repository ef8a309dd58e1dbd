"""A real Chromium without a window, for the tests of the page: found, or installed by `make browser`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

# Debian's and others' names, where Playwright's own download is not to be had.
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_DEBIAN = "chromium-headless-shell"


class NoBrowser(Exception):
    """There is no Chromium; the message says what to do."""


def find() -> Path | None:
    """The program: the one that RPBERT_TEST_CHROMIUM names, Playwright's own, or one on the path."""
    named = os.environ.get("RPBERT_TEST_CHROMIUM")
    if named:
        return Path(named)
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
    if own.exists():
        return own
    return next((Path(found) for name in _NAMES if (found := shutil.which(name))), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser.

    Raises:
        NoBrowser: there is none to start.
    """
    program = find()
    if program is None:
        raise NoBrowser(
            "no Chromium for the tests of the page: run `make browser`, or name one by RPBERT_TEST_CHROMIUM"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program)
        try:
            yield browser
        finally:
            browser.close()


def install() -> None:
    """Have one: Playwright's, else Debian's."""
    if find() is not None:
        return
    if (
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False).returncode
        == 0
    ):
        return
    prefix = [] if os.geteuid() == 0 else ["sudo"]
    for words in (["update", "-qq"], ["install", "-qq", "-y", "--no-install-recommends", _DEBIAN]):
        if (
            shutil.which("apt-get") is None
            or subprocess.run([*prefix, "apt-get", *words], check=False).returncode
        ):
            raise SystemExit(
                "neither Playwright's Chromium nor Debian's could be installed; install one and name "
                "it by RPBERT_TEST_CHROMIUM"
            )


if __name__ == "__main__":
    install()
