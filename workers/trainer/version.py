"""The version of a candidate."""

from __future__ import annotations

import re
from typing import Final

from model.manifest import ReleaseError
from model.store.reference import ReleaseId
from model.store.store import ReleaseStore

_NUMBERS: Final = re.compile(r"(\d+)(?:\.(\d+))?(?:\.\d+)?")


def next_version(store: ReleaseStore, incumbent: ReleaseId) -> str:
    """The next minor version that the store does not have: 1.2.0 after 1.1.0 and 1.1.7.

    Raises:
        ReleaseError: the version is no such number, or the store doesn't answer.
    """
    numbers = _NUMBERS.fullmatch(incumbent.version)
    if numbers is None:
        raise ReleaseError(
            f"what follows {incumbent} is not to be told: publish it to stable once more under a version "
            "such as 1.0.0"
        )
    major, minor = numbers[1], int(numbers[2] or 0) + 1
    while store.published(ReleaseId(incumbent.name, f"{major}.{minor}.0")) is not None:
        minor += 1
    return f"{major}.{minor}.0"
