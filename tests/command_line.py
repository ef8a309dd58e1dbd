"""The command line as its user meets it: words in, output and exit status out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Run:
    """What a call of `rpbert` left behind."""

    status: int
    output: str
    errors: str

    @property
    def sentence(self) -> str:
        """The only line of a failed run."""
        lines = self.errors.strip().splitlines()
        assert len(lines) == 1, self.errors
        return lines[0]


class Rpbert(Protocol):
    def __call__(self, *words: str, stdin: str = "", **variables: str) -> Run: ...
