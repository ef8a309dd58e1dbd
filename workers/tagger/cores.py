"""How the threads of the model's products share the cores with a worker's other threads."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

_SPINS: Final = "2000"
_TURN_SECONDS: Final = 0.0005


def spin_briefly() -> None:
    """Let threads that wait for their next product sleep soon; call it before torch is imported.

    GNU's OpenMP, which torch brings for Linux, keeps them awake for 300,000 turns behind every product: on a
    core that Kafka's threads, or another process, could use. `GOMP_SPINCOUNT` and `OMP_WAIT_POLICY` of the
    environment hold.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)


class _Turns:
    """How long threads take turns, for those that want them short: two loads may overlap."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._wanted = 0
        self._usual = 0.0

    def shorten(self) -> None:
        with self._lock:
            if not self._wanted:
                self._usual = sys.getswitchinterval()
                sys.setswitchinterval(_TURN_SECONDS)
            self._wanted += 1

    def restore(self) -> None:
        with self._lock:
            self._wanted -= 1
            if not self._wanted:
                sys.setswitchinterval(self._usual)


_turns: Final = _Turns()


@contextmanager
def short_turns() -> Iterator[None]:
    """Within it a thread that waits for the interpreter's lock has it after 0.5 ms instead of 5.

    The engine gives the lock away for each product and wants it back behind it. While another thread does
    nothing but Python, each of some hundred products of a batch would wait those 5 ms.
    """
    _turns.shorten()
    try:
        yield
    finally:
        _turns.restore()
