"""Where the network runs, and in what its matrix products."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from statistics import median
from time import perf_counter, thread_time
from typing import Final

import torch
from torch.nn import functional

from model.heap import trim_heap

DTYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16}

_WORTH_IT: Final = 1.25
"""How much faster bf16 must be: less is lost again on conversions, or is chance."""

_WORK_FOR_ONE: Final = 150 * 384**2
"""Two posts with a picture each through `small`; of four on, two free cores are faster by more than a
disturbed one costs."""

_PAIRS: Final = 5
_PAIR_ROWS: Final = 128


class DeviceError(ValueError):
    """A device or dtype that is not to be had here."""


def pick_device(name: str) -> torch.device:
    """The device of a name; `auto` is CUDA where it is, else the CPU.

    Raises:
        DeviceError: it is not to be had here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError):
        raise DeviceError(f"device {name!r} is not to be had here: give auto, cpu or cuda") from None


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """The dtype of a name; `auto` is bf16 where this very device multiplies it faster, else fp32.

    A processor may have bf16 instructions that are slower than those of fp32, so it is measured, once a
    process: all releases that it serves must give the same features.

    Raises:
        DeviceError: none of that name.
    """
    if name == "auto":
        return torch.bfloat16 if _bf16_is_faster(device) else torch.float32
    if name not in DTYPES:
        raise DeviceError(f"dtype {name!r} is none of auto, {', '.join(DTYPES)}")
    return DTYPES[name]


@contextmanager
def threads_for(rows: int, width: int, device: torch.device) -> Iterator[None]:
    """On a CPU, one thread for a batch that is too small to share; the calling thread's own matter.

    A post of `small` takes two free cores as long as one, and one and a half times as long where the other
    core has something else to do now and then, as Kafka's threads see to it: each product waits for both.

    Args:
        rows: word pieces and block regions of the batch.
        width: of the encoder; a row's part of a product grows with its square.
        device: where the network runs.
    """
    threads = torch.get_num_threads()
    if device.type != "cpu" or rows * width**2 > _WORK_FOR_ONE or threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an error of the network says that its batch was too large for the device's memory."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # The CPU's allocator has no class of its own for it.
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator: can't allocate memory" in str(error)


def release_memory() -> None:
    """Give memory that is free and kept for later back: to the device, and to the machine.

    What batches free is kept for those that come (`keep_heap`); what a release leaves is more than they need.
    """
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    trim_heap()


@cache
def _bf16_is_faster(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    capabilities = torch.cpu.get_capabilities()
    if not (capabilities.get("amx_bf16") or capabilities.get("avx512_bf16")):
        return False
    return _bf16_speedup() > _WORTH_IT


def _bf16_speedup() -> float:
    """How many times as fast bf16 multiplies, however busy the machine is.

    Workers that start beside each other must not choose differently: of one thread's own time, so that
    waiting for a core doesn't count; pair by pair, so that what slows a core slows both; the middle one of
    several pairs, so that a disturbed one doesn't count. Processors differ by more than what is left: their
    bf16 is emulated, or close to twice as fast as fp32, or many times.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        bf16, fp32 = (
            partial(product_rate, dtype, rows=_PAIR_ROWS, times=1, clock=thread_time)
            for dtype in (torch.bfloat16, torch.float32)
        )
        return median(bf16() / fp32() for _ in range(_PAIRS))
    finally:
        torch.set_num_threads(threads)


def product_rate(
    dtype: torch.dtype,
    *,
    rows: int = 512,
    columns: int = 768,
    times: int = 5,
    clock: Callable[[], float] = perf_counter,
) -> float:
    """FLOP a second of a product as the encoder's, here and now: the best of several, on the CPU.

    Args:
        dtype: of both factors.
        rows: word pieces and block regions at once.
        columns: width of the encoder; the product goes to four times that, as BERT's does.
        times: how often.
        clock: in seconds.
    """
    left, right = torch.ones(rows, columns, dtype=dtype), torch.ones(4 * columns, columns, dtype=dtype)
    seconds = []
    for _ in range(times + 1):
        began = clock()
        functional.linear(left, right)
        seconds.append(clock() - began)
    return 2 * rows * columns * 4 * columns / min(seconds)
