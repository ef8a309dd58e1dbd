"""The Dockerfile and what its images are made of."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.deploy.licences import WRITTEN, shipped
from tests.deploy.manifests import DEPLOY, ROOT, Manifests
from tests.deploy.processes import OURS

_DOCKERFILE: Final = DEPLOY / "docker" / "Dockerfile"
_PIN: Final = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^]]*\])?==(\S+)", re.MULTILINE)
# No torch, nor what needs it.
_LEFT_OUT_OF_VIEWER: Final = {"pytorch-crf", "timm", "torch", "torchvision", "transformers"}


def _project() -> dict[str, object]:
    project: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project


def _instructions() -> list[list[str]]:
    text = re.sub(r"\\\n", " ", _DOCKERFILE.read_text())
    return [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def test_the_linter_has_nothing_to_say() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, _DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_what_is_copied_is_there_and_reaches_the_builder() -> None:
    let_in = [
        line.removeprefix("!")
        for line in Path(f"{_DOCKERFILE}.dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    copied = {
        source
        for name, *words in _instructions()
        if name == "COPY" and not words[0].startswith("--from")
        for source in words[:-1]
        if not source.startswith("$")
    }
    assert "workers" in copied
    for source in copied:
        assert (ROOT / source).exists()
        assert any(Path(source).match(pattern) for pattern in let_in), source


def test_every_image_of_the_overlays_is_a_target_of_this_version(overlay: Manifests) -> None:
    targets = {words[words.index("AS") + 1] for name, *words in _instructions() if name == "FROM"}
    images = {container["image"] for pod in overlay.pods() for container in pod.containers}
    for image in images:
        if image.startswith(OURS):
            name, _, tag = image.removeprefix(OURS).partition(":")
            assert name in targets
            assert tag == _project()["version"]


def test_images_run_as_the_user_of_the_pods(overlay: Manifests) -> None:
    users = {words[0] for name, *words in _instructions() if name == "USER"}
    for pod in overlay.pods():
        if pod.main["image"].startswith(OURS):
            context = pod.spec["securityContext"]
            assert users == {f"{context['runAsUser']}:{context['runAsGroup']}"}


@pytest.mark.parametrize("image", ["worker", "trainer", "viewer"])
def test_an_image_ships_the_versions_that_the_suite_ran_on(image: str) -> None:
    dependencies = _project()["dependencies"]
    assert isinstance(dependencies, list)
    ours = {re.split(r"[^a-z0-9-]", each, maxsplit=1)[0] for each in dependencies}
    tested, shipped = (
        set(_PIN.findall((ROOT / "requirements" / f"{name}.txt").read_text())) for name in ("dev", image)
    )
    if image == "viewer":
        text = (ROOT / "requirements" / "viewer.txt").read_text()
        assert "nvidia-cublas" not in text
        ours -= _LEFT_OUT_OF_VIEWER
    assert ours <= {name for name, _ in shipped}
    assert {pin for pin in shipped if pin[0] in ours} <= tested


@pytest.mark.parametrize("image", ["worker", "trainer", "viewer", "uv", "dev"])
def test_every_package_is_pinned_by_its_hashes(image: str) -> None:
    text = (ROOT / "requirements" / f"{image}.txt").read_text()
    entries = re.split(r"\n(?=[a-z0-9])", text)
    assert all("--hash=sha256:" in entry for entry in entries if _PIN.match(entry))
    assert all(_PIN.match(entry) for entry in entries if not entry.startswith("#"))


def test_the_packages_of_the_compose_images_are_built_from_here() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    targets = {words[words.index("AS") + 1] for name, *words in _instructions() if name == "FROM"}
    for service in services.values():
        if "build" in service:
            assert service["build"]["target"] in targets
            assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).exists()


def test_every_package_is_in_the_list_of_licences() -> None:
    listed = re.findall(r"^\| ([a-z0-9._-]+) \| (.+) \| ([a-z, ]+) \|$", WRITTEN.read_text(), re.MULTILINE)
    told = {name: images for name, _, images in listed if name != "package"}
    assert told == {name: ", ".join(images) for name, images in shipped().items()}, "run: make licences"
    assert [name for name, licence, _ in listed if licence == "not stated"] == []
