"""Where `make control-plane` puts the programs of a Kubernetes control plane."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

BINARIES: Final = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rpbert-stream" / "control-plane"
)
