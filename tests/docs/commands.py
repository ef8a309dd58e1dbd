"""The commands that the documentation shows, one by one."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "deploy" / "README.md",
    *sorted((ROOT / "deploy" / "runbooks").glob("*.md")),
)

_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_OF_MAKE = frozenset({"ARGS", "MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "PROCESSES"})
_NAMED = re.compile(r"`(rpbert [^`]+)`")
_SHELL = ("", "sh", "bash", "console")
# A block without a language may be a drawing or what a command printed.
_PROGRAMS = frozenset(
    {
        "apt-get",
        "docker",
        "dpkg-deb",
        "echo",
        "for",
        "java",
        "kcat",
        "kubectl",
        "make",
        "pip",
        "python",
        "rpbert",
        "tensorboard",
        "torchrun",
    }
)


@dataclass(frozen=True)
class Shown:
    """A command as a page shows it."""

    page: str
    line: str

    @property
    def words(self) -> list[str]:
        """Its words, without comments."""
        return shlex.split(self.line, comments=True)

    def begins(self, start: str) -> bool:
        """Whether its first words are these."""
        return self.words[: len(start.split())] == start.split()

    def __str__(self) -> str:
        return f"{self.page}: {self.line}"


def shown() -> Iterator[Shown]:
    """All commands, in the order of the pages."""
    for page in PAGES:
        for language, block in _FENCE.findall(page.read_text(encoding="utf-8")):
            if language in _SHELL:
                for line in block.replace("\\\n", " ").splitlines():
                    command = " ".join(line.removeprefix("$ ").split())
                    first = next((word for word in command.split() if "=" not in word), "")
                    if first in _PROGRAMS:
                        yield Shown(str(page.relative_to(ROOT)), command)


def outside_make() -> dict[str, str]:
    """The environment without what `make` hands on to the makes that it starts, such as ARGS."""
    return {name: value for name, value in os.environ.items() if name not in _OF_MAKE}


def named() -> Iterator[Shown]:
    """What sentences call our commands by, often without what a command must be given."""
    for page in PAGES:
        for line in _NAMED.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
            yield Shown(str(page.relative_to(ROOT)), line.partition("|")[0])
