"""What a bench writes down: figures with their spread, and where they were measured; one form for all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, median
from time import perf_counter
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field
from rich.console import Console

from tests.faults.record import commit_here, machine

RESULTS: Final = Path(__file__).parent / "results"

Key = tuple[str, str]
"""What a figure is called, and its unit."""

Run = Callable[[], Mapping[Key, float]]
"""One measurement; it may give several figures that belong together."""

_console = Console(highlight=False)
_notes = Console(stderr=True, highlight=False)


class Figure(BaseModel):
    """One figure and its spread.

    Attributes:
        name: what was measured.
        unit: of all its values.
        count: how many values: runs, pictures or posts.
        mean: of the values.
        median: of the values.
        lowest: of the values.
        highest: of the values.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    unit: str
    count: int
    mean: float
    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, key: Key, values: Sequence[float]) -> Self:
        """That of these values."""
        name, unit = key
        return cls(
            name=name,
            unit=unit,
            count=len(values),
            mean=fmean(values),
            median=median(values),
            lowest=min(values),
            highest=max(values),
        )

    def row(self) -> str:
        """A row of the table."""
        middle, low, high = (f"{value:,.4g}" for value in (self.median, self.lowest, self.highest))
        return f"| {self.name} | {middle} | {low} to {high} | {self.unit} | {self.count} |"


class Figures(BaseModel):
    """What a bench came to.

    Attributes:
        bench: its name.
        release: the model in it.
        dtype: of the encoders.
        settings: what it was told.
        figures: all that was measured.
        seconds: what it took.
        at: when it ended, UTC.
        commit: of the source, `+` if it was changed.
        machine: in words.
    """

    model_config = ConfigDict(frozen=True)

    bench: str
    release: str
    dtype: str
    settings: dict[str, int]
    figures: list[Figure]
    seconds: float
    at: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    commit: str = Field(default_factory=commit_here)
    machine: str = Field(default_factory=machine)

    def table(self) -> str:
        """A row a figure, and where it was measured."""
        head = ["| | median | lowest to highest | | of |", "|---|---|---|---|---|"]
        told = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        where = f"Release `{self.release}`, {self.dtype}; {told}; {self.machine}; {self.seconds:,.0f} s."
        return "\n".join([*head, *(figure.row() for figure in self.figures), "", where]) + "\n"

    def write(
        self,
        directory: Path,
        plot: Callable[[Figures, Path], None] = lambda *_: None,
        *,
        as_json: bool = False,
    ) -> None:
        """Write `{bench}.json` and `{bench}.md`, and show the table.

        Args:
            directory: where to; it is made.
            plot: draws `{bench}.svg`.
            as_json: print what stands in `{bench}.json` instead of the table.
        """
        content = self.model_dump_json(indent=1) + "\n"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{self.bench}.json").write_text(content, encoding="utf-8")
        (directory / f"{self.bench}.md").write_text(self.table(), encoding="utf-8")
        plot(self, directory / f"{self.bench}.svg")
        if as_json:
            sys.stdout.write(content)
        else:
            _console.print(self.table(), markup=False, soft_wrap=True)


def progress(sentence: str) -> None:
    """Tell who waits how far it is, beside what the command prints."""
    _notes.print(sentence, markup=False, soft_wrap=True)


def in_turns(runs: Sequence[Run], turns: int) -> list[Figure]:
    """Each measurement once a turn, so that what slows the machine for a while slows them all.

    A turn before the first isn't counted: it warms up.
    """
    values: dict[Key, list[float]] = {}
    for turn in range(turns + 1):
        began = perf_counter()
        for number, run in enumerate(runs, 1):
            for key, value in run().items():
                values.setdefault(key, [])
                if turn:
                    values[key].append(value)
            progress(f"turn {turn} of {turns}, {number} of {len(runs)}: {perf_counter() - began:.0f} s")
    return [Figure.of(key, measured) for key, measured in values.items()]
