"""The environment of the peers' libraries: theirs before ours, which are all there too.

Quix Streams wants an older pydantic than the suite has, so the two can't share one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

CLONE: Final = Path(__file__).parents[2]
ENVIRONMENT: Final = CLONE / ".venv-peers"


def peers_python() -> str:
    """The interpreter that has the peers' libraries.

    Raises:
        SystemExit: there is none yet.
    """
    python = ENVIRONMENT / "bin" / "python"
    if not (ENVIRONMENT / "installed").exists():
        raise SystemExit(
            "Quix Streams and Faust are not installed: `make bench-peers` does that and measures, "
            "or leave them out with --only rpbert --only loop --only batches"
        )
    return str(python)
