"""Where downloaded files are kept between runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_directory() -> Path:
    """The user's cache folder for this project; it need not exist yet.

    `XDG_CACHE_HOME` is honoured everywhere when set (XDG Base Directory Specification), otherwise the
    platform's own place is taken.
    """
    configured = os.environ.get("XDG_CACHE_HOME", "")
    # The specification says that a relative path is to be ignored.
    if Path(configured).is_absolute():
        return Path(configured) / "rpbert-stream"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "rpbert-stream"
    return Path.home() / ".cache" / "rpbert-stream"
