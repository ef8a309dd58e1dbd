"""How long it takes to be connected to a picture's host, as aiohttp tells it."""

from __future__ import annotations

from time import perf_counter
from types import SimpleNamespace
from typing import Any

import aiohttp

from workers.metrics import Metrics


def connect_timing(metrics: Metrics) -> aiohttp.TraceConfig:
    """Counts the stage `connect`: TCP and TLS, without the name's resolution, which is a stage of its own."""

    async def begun(_: aiohttp.ClientSession, request: SimpleNamespace, __: Any) -> None:
        request.began = perf_counter()

    async def connected(_: aiohttp.ClientSession, request: SimpleNamespace, __: Any) -> None:
        metrics.stage_seconds.labels("connect").observe(perf_counter() - request.began)

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_start.append(begun)
    trace.on_dns_resolvehost_end.append(begun)
    trace.on_connection_create_end.append(connected)
    return trace
