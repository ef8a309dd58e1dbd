import os
import sys
from pathlib import Path

import pytest
import torch

from model.device import ran_out_of_memory, release_memory


def test_running_out_of_memory_is_known_from_other_failures() -> None:
    assert ran_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    assert ran_out_of_memory(MemoryError())
    assert not ran_out_of_memory(RuntimeError("CUDA error: device-side assert triggered"))
    assert not ran_out_of_memory(ValueError("a post has at most 4 pictures"))


def test_the_cpu_s_allocator_is_understood() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert ran_out_of_memory(raised.value)


@pytest.mark.skipif(sys.platform != "linux", reason="what glibc keeps, only glibc can give back")
def test_memory_that_is_free_goes_back_to_the_machine() -> None:
    # Each below what malloc maps by itself, with one in use behind every two, so that no heap ends free.
    pieces = [torch.ones(25_000) for _ in range(3_000)]
    del pieces[::3], pieces[::2]
    before = _resident()
    release_memory()
    assert before - _resident() > 50_000_000


def _resident() -> int:
    """Bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
