"""What several worker processes tell, asked of each and told as one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

from aiohttp import ClientError, ClientSession, ClientTimeout
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

PROCESS_LABEL: Final = "process"
_PATIENCE: Final = ClientTimeout(total=5)
_WELL: Final = 200


async def ask_metrics(session: ClientSession, addresses: Mapping[int, str]) -> dict[int, str]:
    """The metrics of each process that answers, by its number."""
    pages = await asyncio.gather(*(_page(session, address) for address in addresses.values()))
    return {number: page for number, page in zip(addresses, pages, strict=True) if page is not None}


async def ask_health(session: ClientSession, addresses: Mapping[int, str], probe: str) -> dict[int, bool]:
    """Whether each process says that it is well; one that does not answer is not."""
    answers = await asyncio.gather(
        *(_says_well(session, f"{address}/health/{probe}") for address in addresses.values())
    )
    return dict(zip(addresses, answers, strict=True))


def merged(pages: Mapping[int, str], own: CollectorRegistry) -> bytes:
    """One page of all: each process's samples under a label `process`, then those of `own`.

    Nothing is added up: a gauge such as a partition's lag is one process's, and a counter that begins anew
    with its process is a series that Prometheus knows how to go on with.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Pages(pages))
    return generate_latest(registry) + generate_latest(own)


class _Pages(Collector):
    def __init__(self, pages: Mapping[int, str]) -> None:
        self._pages = pages

    def collect(self) -> Iterable[Metric]:
        """Each family once, with the samples of all processes."""
        families: dict[str, Metric] = {}
        for number, page in self._pages.items():
            for family in text_string_to_metric_families(page):
                whole = families.setdefault(
                    family.name, Metric(family.name, family.documentation, family.type)
                )
                for sample in family.samples:
                    labels = {PROCESS_LABEL: str(number), **sample.labels}
                    whole.add_sample(sample.name, labels, sample.value)
        return families.values()


async def _page(session: ClientSession, address: str) -> str | None:
    try:
        async with session.get(f"{address}/metrics", timeout=_PATIENCE) as answer:
            return await answer.text() if answer.status == _WELL else None
    except (ClientError, TimeoutError):
        return None


async def _says_well(session: ClientSession, url: str) -> bool:
    try:
        async with session.get(url, timeout=_PATIENCE) as answer:
            return answer.status == _WELL
    except (ClientError, TimeoutError):
        return False
