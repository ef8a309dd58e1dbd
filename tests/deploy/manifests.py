"""The overlays as kustomize renders them, and ways to find things in them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.deploy.control_plane.build import binaries

ROOT: Final = Path(__file__).resolve().parents[2]
DEPLOY: Final = ROOT / "deploy"
KUBERNETES: Final = DEPLOY / "kubernetes"
OVERLAYS: Final = sorted(each.name for each in (KUBERNETES / "overlays").iterdir())

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod as its owner makes it: `Deployment/worker`, labels and specification."""

    owner: str
    labels: Mapping[str, str]
    spec: Object

    @property
    def name(self) -> str:
        """Name of the owner."""
        return self.owner.partition("/")[2]

    @property
    def containers(self) -> list[Object]:
        """Those that run before the others too."""
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def main(self) -> Object:
        """The only container of ours that stays."""
        (container,) = self.spec["containers"]
        return dict(container)


@dataclass(frozen=True, slots=True)
class Manifests:
    """All objects of an overlay."""

    objects: Sequence[Object]

    def of(self, *kinds: str) -> list[Object]:
        """The objects of these kinds."""
        return [each for each in self.objects if each["kind"] in kinds]

    def names(self, kind: str) -> set[str]:
        """Names of the objects of a kind."""
        return {each["metadata"]["name"] for each in self.of(kind)}

    def one(self, kind: str, name: str) -> Object:
        """The object of that kind and name."""
        (found,) = (each for each in self.of(kind) if each["metadata"]["name"] == name)
        return found

    def pods(self) -> Iterator[Pod]:
        """What each owner of pods makes."""
        for each in self.of("Deployment", "CronJob"):
            job = each["kind"] == "CronJob"
            template = (each["spec"]["jobTemplate"] if job else each)["spec"]["template"]
            owner = f"{each['kind']}/{each['metadata']['name']}"
            yield Pod(owner, template["metadata"]["labels"], template["spec"])

    def pod(self, name: str) -> Pod:
        """What the owner of that name makes."""
        (found,) = (each for each in self.pods() if each.name == name)
        return found


@cache
def rendered(overlay: str) -> str:
    """The overlay as one YAML text."""
    kubectl = shutil.which("kubectl", path=str(binaries())) or shutil.which("kubectl")
    if kubectl is None:
        pytest.fail(
            "no kubectl, which renders the overlays: install it, or Go and run make check-deploy",
            pytrace=False,
        )
    done = subprocess.run(
        [kubectl, "kustomize", str(KUBERNETES / "overlays" / overlay)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def manifests(overlay: str) -> Manifests:
    """The overlay's objects."""
    return Manifests([each for each in yaml.safe_load_all(rendered(overlay)) if each])
