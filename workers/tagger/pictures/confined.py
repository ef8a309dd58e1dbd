"""What a decoding process does: it decodes one picture after the other, and gets no more memory than it may.

Imports little, since each process carries it.
"""

from __future__ import annotations

import resource
from pathlib import Path
from time import perf_counter
from typing import Final

import numpy as np
import numpy.typing as npt

from model.pictures import decode

# Linux tells a process here what it has; its sixth number is data and stack, in pages (proc(5)).
_STATM: Final = Path("/proc/self/statm")
_DATA: Final = 5


def confine(memory: int) -> None:
    """Let this process have `memory` bytes more than it has now; on Linux, elsewhere nothing is done.

    A picture's header may lie about its size: an AVIF's container and the frame inside each declare one.
    """
    if _STATM.exists():
        has = int(_STATM.read_text("ascii").split()[_DATA]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = has + memory if hard == resource.RLIM_INFINITY else min(has + memory, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def begin() -> None:
    """Nothing: a process that has done it is there."""


def decode_timed(data: bytes, max_pixels: int) -> tuple[npt.NDArray[np.uint8], float]:
    """As `decode`, with the seconds that it took.

    Raises:
        model.pictures.PictureError: as `decode`.
    """
    began = perf_counter()
    return decode(data, max_pixels=max_pixels), perf_counter() - began
