"""Builds the programs of a Kubernetes control plane from Go modules, once for each `go.sum`.

`python -m tests.deploy.control_plane.build keda` builds KEDA beside it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from workers.local.cache import cache_directory

_MODULE: Final = Path(__file__).parent
# Of its own, for it is written for another release of Kubernetes' libraries.
_KWOK_MODULE: Final = _MODULE / "kwok"
_ETCD: Final = "go.etcd.io/etcd/server/v3"
_KWOK: Final = "sigs.k8s.io/kwok"
_KEDA_MODULE: Final = _MODULE / "keda"
_KEDA: Final = "github.com/kedacore/keda/v2"


def binaries() -> Path:
    """Where the programs of this `go.sum` are, or will be."""
    return _place(_MODULE, _KWOK_MODULE)


def keda_binaries() -> Path:
    """Where KEDA's `operator` and `adapter` are, or will be, and `crds.yaml`, the kinds that they watch."""
    return _place(_KEDA_MODULE)


def main(keda: str = "") -> None:
    """Build what isn't there yet; without Go, say so."""
    go = shutil.which("go")
    if go is None and not binaries().exists():
        sys.stdout.write(
            "No Go here: deploy/ is checked by schemas, and not against a real Kubernetes API server. "
            "With Go 1.24 or later on the PATH it is.\n"
        )
    _built(go, binaries(), _build, "a Kubernetes control plane; the first time it takes both of two cores 6")
    if keda:
        _built(go, keda_binaries(), _build_keda, "KEDA; the first time it takes both of two cores 8")


def _place(*modules: Path) -> Path:
    sums = b"".join((module / "go.sum").read_bytes() for module in modules)
    return cache_directory() / "control-plane" / hashlib.sha256(sums).hexdigest()[:12]


def _built(go: str | None, place: Path, build: Callable[[str, Path], None], what: str) -> None:
    if go is None or place.exists():
        return
    sys.stdout.write(f"Building {what} minutes.\n")
    sys.stdout.flush()
    place.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=place.parent) as incoming:
        build(go, Path(incoming))
        # Whole or not at all: two builders do no harm to each other.
        if not place.exists():
            Path(incoming).chmod(0o755)
            Path(incoming).rename(place)
            Path(incoming).mkdir()


def _build(go: str, place: Path) -> None:
    for module in (_MODULE, _KWOK_MODULE):
        _build_tools(go, module, place)
    (place / Path(_ETCD).parent.name).rename(place / "etcd")
    # How kwok plays nodes and pods stands in files of its module.
    stages = _directory(go, _KWOK_MODULE, _KWOK) / "kustomize" / "stage" / "fast"
    with (place / "stages.yaml").open("wb") as file:
        subprocess.run([place / "kubectl", "kustomize", stages], check=True, stdout=file)


def _build_keda(go: str, place: Path) -> None:
    _build_tools(go, _KEDA_MODULE, place)
    kinds = sorted((_directory(go, _KEDA_MODULE, _KEDA) / "config" / "crd" / "bases").glob("*.yaml"))
    (place / "crds.yaml").write_text("---\n".join(each.read_text("utf-8") for each in kinds), "utf-8")


def _build_tools(go: str, module: Path, place: Path) -> None:
    build = [go, "build", "-trimpath", "-ldflags=-s -w", "-o", f"{place}/", "tool"]
    subprocess.run(build, cwd=module, env={**os.environ, "CGO_ENABLED": "0"}, check=True)


def _directory(go: str, module: Path, dependency: str) -> Path:
    found = subprocess.run(
        [go, "list", "-m", "-f", "{{.Dir}}", dependency],
        cwd=module,
        check=True,
        capture_output=True,
        text=True,
    )
    return Path(found.stdout.strip())


if __name__ == "__main__":
    main(*sys.argv[1:])
