"""Commands that the docs' own test does not run: where another does, and what the rest is held against."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tests.docs.commands import ROOT, Shown, outside_make


@dataclass(frozen=True)
class Held:
    """What is done about a command that no test runs.

    Attributes:
        why: it isn't.
        against: raises if it names what there is not.
    """

    why: str
    against: Callable[[Shown], None]


def held(command: Shown) -> Held | None:
    """What is done about a command; None for one that is run."""
    return next((each for start, each in NOT_RUN.items() if command.begins(start)), None)


def elsewhere(command: Shown) -> str | None:
    """The test that runs a command, if it is not the docs' own."""
    return next((test for start, test in RUN_ELSEWHERE.items() if command.begins(start)), None)


def _make(command: Shown) -> None:
    dry = ["make", "--dry-run", "--directory", str(ROOT), *command.words[1:]]
    run = subprocess.run(dry, env=outside_make(), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout


def _docker(command: Shown) -> None:
    words = command.words
    file = ROOT / words[words.index("--file") + 1]
    text = file.read_text("utf-8")
    if "--target" in words:
        assert re.search(rf"^FROM .* AS {words[words.index('--target') + 1]}$", text, re.MULTILINE)
    for name in (words[at + 1].partition("=")[0] for at, each in enumerate(words) if each == "--build-arg"):
        assert re.search(rf"^ARG {name}\b", text, re.MULTILINE), name


RUN_ELSEWHERE: Final[Mapping[str, str]] = {
    "kubectl apply": "tests/deploy/test_control_plane.py::test_the_commands_of_the_docs",
    "make demo": "tests/end_to_end/test_demo.py::test_the_command_of_the_docs",
    "python -m bench.ambiguity": "tests/bench/test_ambiguity.py::test_the_command_of_the_docs",
}
"""By how the command begins: it needs what that test has."""

NOT_RUN: Final[Mapping[str, Held]] = {
    "docker build": Held("needs a container engine and its registry", _docker),
    "docker compose": Held("needs a container engine and its registry", _docker),
    "make test-autoscale": Held("on demand: builds KEDA by Go and runs for minutes", _make),
}
"""By how the command begins: the whole of what the pages show and no test runs."""
