from __future__ import annotations

import os
import sys
from threading import get_native_id

import pytest

from workers.tagger.serving.stepping_back import stepping_back


def nice() -> int:
    return os.getpriority(os.PRIO_PROCESS, get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a priority on Linux only")
def test_the_work_has_a_lower_priority_and_nothing_else() -> None:
    before = nice()
    assert stepping_back(nice) == max(before, 10)
    assert nice() == before


def test_what_goes_wrong_is_told() -> None:
    def fails() -> None:
        raise ValueError("so it went")

    with pytest.raises(ValueError, match="so it went"):
        stepping_back(fails)
