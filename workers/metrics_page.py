"""Writes the page of all metrics from their declarations: `python -m workers.metrics_page`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Final

from workers.declared_metrics import Declared
from workers.metrics import Metrics, SupervisorMetrics, TrainerMetrics

_HEAD: Final = """# Metrics

Written by `python -m workers.metrics_page > docs/metrics.md` from [`workers/metrics.py`](../workers/metrics.py). What to watch of them is in [operations](operations.md).

Seconds, bytes and shares (`_ratio`, 0 to 1) throughout. Counters and histograms stand at 0 for every value of their labels from the start; a histogram is `_bucket`, `_sum` and `_count`. Beside these a worker tells what the Python client tells of its process (`process_*`, `python_*`).
"""  # noqa: E501 - a paragraph is a line


def page() -> str:
    """The page, Markdown."""
    return "\n".join(
        [
            _HEAD,
            *_table("A worker, at `/metrics`", Metrics().declared),
            *_table(
                "The supervisor of `--processes`, which tells of its workers under a label `process`",
                SupervisorMetrics().declared,
            ),
            *_table("The trainer, at a Pushgateway", TrainerMetrics().declared),
        ]
    )


def _table(title: str, declared: Iterable[Declared]) -> list[str]:
    rows = [f"| `{each.name}` | {each.kind} | {_labels(each)} | {each.meaning} |" for each in declared]
    return [f"## {title}\n", "| metric | kind | labels | meaning |", "|---|---|---|---|", *rows, ""]


def _labels(metric: Declared) -> str:
    return "<br>".join(
        f"`{label}`" if values is None else f"`{label}`: {', '.join(values)}"
        for label, values in metric.labels.items()
    )


if __name__ == "__main__":
    sys.stdout.write(page())
