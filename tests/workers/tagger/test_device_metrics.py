"""What a GPU says of itself; its readings are made up, the tests have none."""

from __future__ import annotations

from math import isnan
from typing import NoReturn
from unittest.mock import patch

import torch
from prometheus_client import generate_latest

from workers.metrics import Metrics
from workers.tagger.device_metrics import watch_device


def test_a_gpu_shows_its_memory_and_what_it_can_t_say_fails_no_scrape() -> None:
    def refuses(_: int) -> NoReturn:
        raise RuntimeError("NVML says no")

    metrics = Metrics()
    with (
        patch.object(torch.cuda, "mem_get_info", lambda _: (100, 139)),
        patch.object(torch.cuda, "memory_reserved", lambda _: 20),
        patch.object(torch.cuda, "memory_allocated", lambda _: 12),
        patch.object(torch.cuda, "utilization", refuses),
    ):
        watch_device(torch.device("cuda:1"), metrics)
        value = metrics.registry.get_sample_value
        memory = {
            kind: value("rpbert_device_memory_bytes", {"device": "cuda:1", "kind": kind})
            for kind in ("total", "used", "reserved", "allocated")
        }
        utilization = value("rpbert_device_utilization_ratio", {"device": "cuda:1"})
    assert memory == {"total": 139, "used": 39, "reserved": 20, "allocated": 12}
    assert utilization is not None
    assert isnan(utilization)


def test_a_cpu_says_nothing() -> None:
    metrics = Metrics()
    watch_device(torch.device("cpu"), metrics)
    assert b"rpbert_device_memory_bytes{" not in generate_latest(metrics.registry)
