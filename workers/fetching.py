"""What is told of a release on its way from a store: a bar to a person, lines to a log."""

from __future__ import annotations

from contextlib import ExitStack
from time import monotonic
from types import TracebackType
from typing import Final

import structlog
from fsspec.callbacks import Callback

from model.release import find_release
from workers.progress import Bar, bar

_log = structlog.get_logger(__name__)


def fetch_ahead(release: str) -> None:
    """Have a release here, and show how far it is, before someone needs it who would show nothing.

    Raises:
        ReleaseError: there is none of that name, or it can't be had.
    """
    with bar("looking for the release") as looking:
        find_release(release, progress=ShownFetch(looking))


class ShownFetch(Callback):  # type: ignore[misc]  # fsspec has no types
    """A bar of the bytes, in place of that of the work that they are for."""

    def __init__(self, waiting: Bar) -> None:
        super().__init__()
        self._waiting: Final = waiting
        self._stack: Final = ExitStack()
        self._bar: Bar | None = None

    def set_size(self, size: int) -> None:
        """So many bytes are to come."""
        super().set_size(size)
        self._stack.enter_context(self._waiting.away())
        self._bar = self._stack.enter_context(bar("fetching the release", size, of_bytes=True))

    def relative_update(self, inc: int = 1) -> None:
        """So many bytes more are here."""
        super().relative_update(inc)
        if self._bar is not None:
            self._bar.step(inc)

    def close(self) -> None:
        """All are here, or it failed."""
        self._stack.close()


class LoggedFetch(Callback):  # type: ignore[misc]  # fsspec has no types
    """A line when it begins, and one when all is here; that it failed is said by who wanted the release."""

    def __init__(self, release: str) -> None:
        super().__init__()
        self._release: Final = release
        self._began = 0.0

    def set_size(self, size: int) -> None:
        """So many bytes are to come."""
        super().set_size(size)
        self._began = monotonic()
        _log.info("fetching a release", release=self._release, bytes=size)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            took = round(monotonic() - self._began, 1)
            _log.info("the release is here", release=self._release, bytes=self.value, seconds=took)
