"""How the threads of the model's products share the cores with a worker's other threads."""

from __future__ import annotations

import os
from typing import Final

_SPINS: Final = "2000"


def spin_briefly() -> None:
    """Let threads that wait for their next product sleep soon; call it before torch is imported.

    GNU's OpenMP, which torch brings for Linux, keeps them awake for 300,000 turns behind every product: on a
    core that Kafka's threads, or another process, could use. `GOMP_SPINCOUNT` and `OMP_WAIT_POLICY` of the
    environment hold.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
