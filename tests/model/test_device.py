import psutil
import pytest
import torch

from model.device import ran_out_of_memory, trim_heap


def test_running_out_of_memory_is_known_from_other_failures() -> None:
    assert ran_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    assert ran_out_of_memory(MemoryError())
    assert not ran_out_of_memory(RuntimeError("CUDA error: device-side assert triggered"))
    assert not ran_out_of_memory(ValueError("a post has at most 4 pictures"))


def test_the_cpu_s_allocator_is_understood() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert ran_out_of_memory(raised.value)


def test_a_heap_in_holes_is_given_back() -> None:
    process, kept = psutil.Process(), list[bytearray]()
    before = process.memory_info().rss
    large = []
    for _ in range(1_000):
        # Below what malloc asks the machine for piece by piece, each with something behind it that stays.
        large.append(bytearray(100_000))
        kept.append(bytearray(1_000))
    taken = process.memory_info().rss - before
    del large
    trim_heap()
    assert taken > 80_000_000
    assert process.memory_info().rss - before < taken / 4
