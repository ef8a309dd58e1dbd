"""What the GPU has to say, asked when Prometheus asks."""

from __future__ import annotations

from collections.abc import Callable
from math import nan

import structlog
import torch

from workers.metrics import Metrics

_log = structlog.get_logger(__name__)


def watch_device(device: torch.device, metrics: Metrics) -> None:
    """Show memory and utilization of a GPU; a CPU has neither, its use is the process's.

    What can't be read, as utilization inside a slice of a GPU, is NaN and in the log once: a scrape must
    not fail for it.
    """
    if device.type != "cuda":
        return
    index = torch.cuda.current_device() if device.index is None else device.index
    name = f"cuda:{index}"
    readings = {
        "total": lambda: torch.cuda.mem_get_info(index)[1],
        "used": lambda: torch.cuda.mem_get_info(index)[1] - torch.cuda.mem_get_info(index)[0],
        "reserved": lambda: torch.cuda.memory_reserved(index),
        "allocated": lambda: torch.cuda.memory_allocated(index),
    }
    for kind, read in readings.items():
        metrics.device_memory.labels(device=name, kind=kind).set_function(_safely(kind, read))
    metrics.device_utilization.labels(name).set_function(
        _safely("utilization", lambda: torch.cuda.utilization(index) / 100)
    )


def _safely(what: str, read: Callable[[], float]) -> Callable[[], float]:
    told = False

    def reading() -> float:
        nonlocal told
        try:
            return read()
        except Exception as error:  # noqa: BLE001 - NVML and CUDA raise classes of their own
            if not told:
                _log.warning("the GPU does not say", reading=what, error=type(error).__name__)
            told = True
            return nan

    return reading
