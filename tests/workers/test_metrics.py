"""The metrics that the docs tell operators to watch are the metrics that there are."""

from __future__ import annotations

import re
from pathlib import Path

from workers.metrics import Metrics, TrainerMetrics

SUFFIXES = {"counter": "_total", "info": "_info"}
DOCS = Path(__file__).parents[2] / "docs"


def named() -> set[str]:
    texts = (page.read_text("utf-8") for page in DOCS.rglob("*.md"))
    return {name for text in texts for name in re.findall(r"\brpbert_[a-z_]+(?![a-z_.])", text)}


def exposed() -> set[str]:
    return {
        family.name + SUFFIXES.get(family.type, "")
        for metrics in (Metrics(), TrainerMetrics())
        for family in metrics.registry.collect()
    }


def test_every_metric_that_the_docs_name_is_there() -> None:
    assert named() - exposed() == set()


def test_every_metric_of_pictures_and_of_the_cache_is_in_the_docs() -> None:
    ours = {name for name in exposed() if name.startswith(("rpbert_image_", "rpbert_cache_"))}
    assert ours - named() == set()
