"""Commands that can't be run here: why not, and what each is held against instead."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from cyclopts import App
from packaging.requirements import Requirement

from tests.docs.commands import ROOT, Shown


@dataclass(frozen=True)
class Held:
    """What is done about a command that isn't run.

    Attributes:
        why: it isn't.
        against: raises if it names what there is not.
    """

    why: str
    against: Callable[[Shown], None]


def held(command: Shown) -> Held | None:
    """What is done about a command; None for one that is to be run."""
    return next((each for start, each in NOT_RUN.items() if f"{command.line} ".startswith(start)), None)


def _make(command: Shown) -> None:
    dry = ["make", "--dry-run", "--directory", str(ROOT), *command.words[1:]]
    run = subprocess.run(dry, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout


def _pip(command: Shown) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    verb, named = command.words[1:]
    assert verb == "install"
    wanted = Requirement(re.sub(r"^\.", project["name"], named))
    if wanted.name == project["name"]:
        assert wanted.extras <= set(project["optional-dependencies"])
    else:
        # What a reader's own program needs is what ours is tested with.
        assert wanted.name in {Requirement(each).name for each in project["dependencies"]}


def _docker(command: Shown) -> None:
    words = command.words
    file = ROOT / words[words.index("--file") + 1]
    text = file.read_text("utf-8")
    if "--target" in words:
        assert re.search(rf"^FROM .* AS {words[words.index('--target') + 1]}$", text, re.MULTILINE)
    for name in (words[at + 1].partition("=")[0] for at, each in enumerate(words) if each == "--build-arg"):
        assert re.search(rf"^ARG {name}\b", text, re.MULTILINE), name


def _kubectl(command: Shown) -> None:
    verb, *flags, overlay = command.words[1:]
    assert (verb, flags) == ("apply", ["--server-side", "-k"])
    assert (ROOT / overlay / "kustomization.yaml").is_file()


def _bench(command: Shown) -> None:
    _, _, module, *words = command.words
    bench: App = import_module(module).app
    bench.parse_args(words, exit_on_error=False, print_error=False)


NOT_RUN: Final[Mapping[str, Held]] = {
    "docker build ": Held("needs a container engine and its registry", _docker),
    "docker compose ": Held("needs a container engine and its registry", _docker),
    "kubectl apply ": Held("needs a cluster; tests/deploy applies each overlay to an API server", _kubectl),
    "make demo ": Held("may install anew; tests/end_to_end/test_demo.py runs what it runs", _make),
    "make test ": Held("runs this test too", _make),
    "make test-autoscale ": Held("builds KEDA by Go and runs for minutes", _make),
    "pip install ": Held("asks a package registry", _pip),
    "python -m bench.ambiguity ": Held(
        "trains fifteen times on 1,620 posts; tests/bench/test_ambiguity.py does it on ten", _bench
    ),
}
"""By how the command begins: the whole of what the pages show and no test runs."""
