"""Metrics that say beforehand which values their labels take, so that nobody can fill a Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.metrics import MetricWrapperBase


@dataclass(frozen=True, slots=True)
class Declared:
    """One metric as its page shows it.

    Attributes:
        name: as it is scraped, with the suffix of its kind.
        kind: counter, gauge, histogram or info.
        meaning: one sentence.
        labels: what each label may say; None where the deployment bounds it, as with partitions.
    """

    name: str
    kind: str
    meaning: str
    labels: Mapping[str, tuple[str, ...] | None]


class DeclaredMetrics:
    """Makes metrics under one prefix, in a registry of its own.

    Counters and histograms begin at 0 for every value of their labels: a series that appears with its first
    event hides that event from `rate`.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix: Final = prefix
        self.registry: Final = CollectorRegistry(auto_describe=True)
        self.declared: Final[list[Declared]] = []

    def _counter(self, name: str, meaning: str, /, **labels: Iterable[str] | None) -> Counter:
        declared = self._declare(name, "counter", meaning, "_total", labels)
        counter = Counter(self._prefix + name, meaning, tuple(labels), registry=self.registry)
        _begin(counter, declared)
        return counter

    def _gauge(self, name: str, meaning: str, /, **labels: Iterable[str] | None) -> Gauge:
        self._declare(name, "gauge", meaning, "", labels)
        return Gauge(self._prefix + name, meaning, tuple(labels), registry=self.registry)

    def _histogram(
        self, name: str, meaning: str, buckets: tuple[float, ...], /, **labels: Iterable[str] | None
    ) -> Histogram:
        declared = self._declare(name, "histogram", meaning, "", labels)
        histogram = Histogram(
            self._prefix + name, meaning, tuple(labels), buckets=buckets, registry=self.registry
        )
        _begin(histogram, declared)
        return histogram

    def _info(self, name: str, meaning: str, /, **labels: Iterable[str] | None) -> Info:
        self._declare(name, "info", meaning, "_info", labels)
        return Info(self._prefix + name, meaning, registry=self.registry)

    def _declare(
        self, name: str, kind: str, meaning: str, suffix: str, labels: Mapping[str, Iterable[str] | None]
    ) -> Declared:
        values = {label: None if some is None else tuple(map(str, some)) for label, some in labels.items()}
        declared = Declared(f"{self._prefix}{name}{suffix}", kind, meaning, values)
        self.declared.append(declared)
        return declared


def _begin(metric: MetricWrapperBase, declared: Declared) -> None:
    values = [some for some in declared.labels.values() if some is not None]
    if declared.labels and len(values) == len(declared.labels):
        for combination in product(*values):
            metric.labels(*combination)
