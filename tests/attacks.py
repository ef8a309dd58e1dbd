"""The table of attacks: what was sent, what happened, and the test that shows it.

python -m tests.attacks     # writes docs/attacks.md
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

PAGE: Final = Path(__file__).parents[1] / "docs" / "attacks.md"
_WHERE: Final = Path(__file__).parent / "workers" / "tagger" / "pictures"
_LONGEST: Final = 90
_HEAD: Final = """\
# Attacks on the fetching of pictures

What is sent, what happens, and the test that shows it. Written by `python -m tests.attacks` from the tests
themselves, and a test sees to it that this page is theirs. Statuses are those of
[the result](schemas/tagged_post.schema.json), reasons those of `rpbert_image_refusals_total`; what a platform
engineer can set is in [pictures](pictures.md).
"""


@dataclass(frozen=True)
class Row:
    """One attack.

    Attributes:
        module: the test's module.
        test: its name, without parameters.
        case: its parameters' id, if it has some.
        sent: what is sent.
        outcome: what happens.
    """

    module: str
    test: str
    case: str
    sent: str
    outcome: str


class _Collector:
    """A pytest plugin that reads the marks of what is collected."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Function]) -> None:
        for item in items:
            for mark in item.iter_markers("attack"):
                callspec = getattr(item, "callspec", None)
                parameters = {} if callspec is None else dict(callspec.params)
                case = "" if callspec is None else callspec.id
                sent, outcome = (text.format(case=case, **parameters) for text in mark.args)
                self.rows.append(Row(item.path.stem, item.originalname, case, sent, outcome))


def collect() -> list[Row]:
    """The attacks of all tests, in the tests' order; runs none."""
    collector = _Collector()
    # Nothing runs, so no service of the conftest is needed, nor the network that it loads.
    options = ["--collect-only", "--noconftest", "--override-ini", "addopts=--import-mode=importlib"]
    quiet = ["-p", "no:terminal", "-p", "no:cacheprovider"]
    if pytest.main([*options, *quiet, str(_WHERE)], plugins=[collector]) != pytest.ExitCode.OK:
        raise RuntimeError(f"the tests in {_WHERE} can't be collected: run pytest there")
    return collector.rows


def render(rows: list[Row]) -> str:
    """The page, a table for each module's tests."""
    parts = [_HEAD]
    for module in dict.fromkeys(row.module for row in rows):
        own = [row for row in rows if row.module == module]
        parts.append(f"\n## `{module}.py`: {len(own)}\n\n| sent | what happened | test |\n|---|---|---|\n")
        parts += [f"| {_cell(row.sent)} | {_cell(row.outcome)} | {_test(row)} |\n" for row in own]
    return "".join(parts)


def _test(row: Row) -> str:
    return f"`{row.test}`" if row.case in {"", row.sent} else f"`{row.test}` [{_cell(row.case)}]"


def _cell(text: str) -> str:
    plain = "".join(each if each.isprintable() and each.isascii() else _escaped(each) for each in text)
    short = plain if len(plain) <= _LONGEST else f"{plain[: _LONGEST - 1]}..."
    return re.sub(r"([|\\`*_<>\[\]])", r"\\\1", short)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


if __name__ == "__main__":
    PAGE.write_text(render(collect()), "utf-8")
