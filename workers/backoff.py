"""How long to wait after failures in a row, for loops that go on with other work meanwhile."""

from __future__ import annotations

from random import uniform
from typing import Final

# By then every wait has long reached its most; 2 to the power of any number of failures is no float.
_DOUBLINGS: Final = 32


def jittered(failures: int, *, first: float, most: float) -> float:
    """Seconds to wait: any up to a bound that doubles with each failure, so that who failed together parts.

    Args:
        failures: in a row, this one included.
        first: the bound after one failure, in seconds.
        most: the bound that stays, in seconds.
    """
    return uniform(0, min(most, first * 2.0 ** min(failures - 1, _DOUBLINGS)))  # noqa: S311 - no secret
