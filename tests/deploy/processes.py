"""What manifests tell our processes: commands, variables, and the settings that come of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pytest

from tests.deploy.manifests import Manifests, Object, Pod
from workers.cli import app

OURS: Final = "rpbert-stream/"
"""What the names of our images begin with."""
_PREFIX: Final = "RPBERT_"
_UNKNOWN_HERE: Final = "known-only-in-the-cluster"


@dataclass(frozen=True, slots=True)
class Process:
    """One of our containers.

    Attributes:
        arguments: as `rpbert` is given them.
        own: variables of this container alone.
        shared: variables that it has in common with others.
    """

    name: str
    arguments: Sequence[str]
    own: Mapping[str, str]
    shared: Mapping[str, str]

    def settings(self) -> Mapping[str, Any]:
        """What the command line makes of it, as it would at the start of the container.

        Raises:
            cyclopts.CycloptsError: a value is refused, or one is missing.
        """
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith(_PREFIX)]:
                patch.delenv(name)
            for name, value in (*self.shared.items(), *self.own.items()):
                patch.setenv(name, value)
            _, bound, _ = app.parse_args(list(self.arguments), exit_on_error=False, print_error=False)
        bound.apply_defaults()
        return bound.arguments


def unknown(processes: Sequence[Process]) -> set[str]:
    """Variables that no command reads which is given them."""
    known = {process.name: known_variables(process.arguments) for process in processes}
    mistaken = {
        f"{process.name}: {name}"
        for process in processes
        for name in process.own
        if name.startswith(_PREFIX) and name not in known[process.name]
    }
    shared = {name for process in processes for name in process.shared}
    return mistaken | (shared - set().union(*known.values()))


def known_variables(arguments: Sequence[str]) -> set[str]:
    """The variables that a command reads, given its arguments."""
    chain, _, _ = app.parse_commands(list(arguments))
    command = app
    for name in chain:
        command = command[name]
    return {
        _PREFIX + name.lstrip("-").replace("-", "_").upper()
        for argument in command.assemble_argument_collection()
        for name in argument.names
    }


def processes(manifests: Manifests) -> Iterator[Process]:
    """Our containers that start `rpbert` itself."""
    for pod in manifests.pods():
        for container in pod.containers:
            if container["image"].startswith(OURS) and "command" not in container:
                yield process(manifests, pod, container)


def process(manifests: Manifests, pod: Pod, container: Object) -> Process:
    """One container with its variables looked up in the overlay."""
    shared: dict[str, str] = {}
    for source in container.get("envFrom", []):
        if "configMapRef" in source:
            shared |= manifests.one("ConfigMap", source["configMapRef"]["name"])["data"]
    own = {each["name"]: _value(each) for each in container.get("env", [])}
    return Process(f"{pod.name}/{container['name']}", container["args"], own, shared)


def _value(variable: Object) -> str:
    source = variable.get("valueFrom", {})
    if "resourceFieldRef" in source:
        return "1"
    return _UNKNOWN_HERE if source else str(variable["value"])
