"""What glibc's `malloc` keeps of what is freed, and what it gives back to the machine."""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import Any, Final

# Numbers of glibc's malloc.h.
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8

_LARGEST_KEPT: Final = 32 << 20
"""Bytes of an allocation above which it is the machine's, not the heap's; more glibc does not take."""
_MOST_FREE_AT_THE_TOP: Final = (1 << 31) - 1


def keep_heap() -> None:
    """Let one batch find the pages that the one before has freed; call it before there are threads.

    By default glibc gives much of what a batch frees back, and asks for it again in the next, page by page:
    a thread that is not the first has heaps of 64 MiB, which go when they are empty. So there is one heap for
    all threads, and it is given back only by `trim_heap`. A thread that is there already keeps its own, and
    later ones may be given that. `MALLOC_...` and `GLIBC_TUNABLES` of the environment hold; with another C
    library or allocator nothing happens.
    """
    told = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    if told or (mallopt := _of_glibc("mallopt")) is None:
        return
    for option, value in (
        (_ARENA_MAX, 1),
        (_MMAP_THRESHOLD, _LARGEST_KEPT),
        (_TRIM_THRESHOLD, _MOST_FREE_AT_THE_TOP),
    ):
        mallopt(option, value)


def trim_heap() -> None:
    """Give pages of the heap that hold nothing back to the machine; milliseconds.

    What lives long between much that does not, of every size, keeps glibc from doing it by itself.
    """
    if (trim := _of_glibc("malloc_trim")) is not None:
        trim(0)


@cache
def _of_glibc(name: str) -> Any | None:
    """A function that other C libraries lack."""
    try:
        return getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return None
