"""What is done beside the posts, by a thread that lets them go first."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import get_native_id
from typing import Final, TypeVar

# A tenth of a core that others want as much, all of one that nobody wants; docs/adr/swaps.md has its price.
_NICE: Final = 10

_Result = TypeVar("_Result")


def stepping_back(work: Callable[[], _Result]) -> _Result:
    """Do something in a thread of its own at a lower priority (Linux: nice 10), and wait for it.

    The threads that torch starts for it inherit that. The thread ends with the work, for what has stepped
    back may not step forward again.

    Raises:
        Exception: what the work raises.
    """
    with ThreadPoolExecutor(1, "stepping-back", initializer=_step_back) as own:
        return own.submit(work).result()


def _step_back() -> None:
    # Elsewhere a thread has no priority of its own.
    if sys.platform == "linux":
        own = get_native_id()
        os.setpriority(os.PRIO_PROCESS, own, max(_NICE, os.getpriority(os.PRIO_PROCESS, own)))
