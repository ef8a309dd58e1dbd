"""What long work shows while it goes: a bar on a terminal's standard error, and nothing elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_BAR_CELLS: Final = 20


class Bar:
    """One piece of work under way."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress: Final = progress
        self._task: Final = task

    def step(self, by: int = 1) -> None:
        """So much more is done."""
        self._progress.advance(self._task, by)

    def reach(self, done: int, of: int) -> None:
        """So much is done by now, of so much."""
        self._progress.update(self._task, completed=done, total=of)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Leave the terminal to who prints, and come back behind it."""
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()


@contextmanager
def bar(what: str, total: int | None = None, *, of_bytes: bool = False) -> Iterator[Bar]:
    """A bar that is gone when the work is done.

    Args:
        what: is done, in a few words.
        total: how much there is to do; None where nobody knows, then only the time is shown.
        of_bytes: it is so many bytes, not things.
    """
    console = Console(stderr=True)
    columns: list[ProgressColumn] = [SpinnerColumn(), TextColumn("{task.description}", markup=False)]
    if total is None:
        columns.append(TimeElapsedColumn())
    else:
        amount = DownloadColumn() if of_bytes else MofNCompleteColumn()
        columns += [BarColumn(bar_width=_BAR_CELLS), amount, TimeRemainingColumn(compact=True)]
    with Progress(
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal,
        # Else what is meant for a pipe would be printed on the terminal.
        redirect_stdout=False,
    ) as progress:
        yield Bar(progress, progress.add_task(what, total=total))
