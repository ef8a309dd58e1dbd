"""Builds the programs of a Kubernetes control plane from Go modules, once for each `go.sum`."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from workers.local.cache import cache_directory

_MODULE: Final = Path(__file__).parent
# Of its own, for it is written for another release of Kubernetes' libraries.
_KWOK_MODULE: Final = _MODULE / "kwok"
_ETCD: Final = "go.etcd.io/etcd/server/v3"
_KWOK: Final = "sigs.k8s.io/kwok"


def binaries() -> Path:
    """Where the programs of this `go.sum` are, or will be."""
    sums = b"".join(path.read_bytes() for path in (_MODULE / "go.sum", _KWOK_MODULE / "go.sum"))
    return cache_directory() / "control-plane" / hashlib.sha256(sums).hexdigest()[:12]


def main() -> None:
    """Build what isn't there yet; without Go, say so."""
    place = binaries()
    if place.exists():
        return
    go = shutil.which("go")
    if go is None:
        sys.stdout.write(
            "No Go here: deploy/ is checked by schemas, and not against a real Kubernetes API server. "
            "With Go 1.24 or later on the PATH it is.\n"
        )
        return
    sys.stdout.write(
        "Building a Kubernetes control plane; the first time it takes both of two cores 6 minutes.\n"
    )
    sys.stdout.flush()
    place.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=place.parent) as incoming:
        _build(go, Path(incoming))
        # Whole or not at all: two builders do no harm to each other.
        if not place.exists():
            Path(incoming).chmod(0o755)
            Path(incoming).rename(place)
            Path(incoming).mkdir()


def _build(go: str, place: Path) -> None:
    environment = {**os.environ, "CGO_ENABLED": "0"}
    build = [go, "build", "-trimpath", "-ldflags=-s -w", "-o", f"{place}/", "tool"]
    for module in (_MODULE, _KWOK_MODULE):
        subprocess.run(build, cwd=module, env=environment, check=True)
    (place / Path(_ETCD).parent.name).rename(place / "etcd")
    # How kwok plays nodes and pods stands in files of its module.
    found = subprocess.run(
        [go, "list", "-m", "-f", "{{.Dir}}", _KWOK],
        cwd=_KWOK_MODULE,
        check=True,
        capture_output=True,
        text=True,
    )
    stages = Path(found.stdout.strip()) / "kustomize" / "stage" / "fast"
    with (place / "stages.yaml").open("wb") as file:
        subprocess.run([place / "kubectl", "kustomize", stages], check=True, stdout=file)


if __name__ == "__main__":
    main()
