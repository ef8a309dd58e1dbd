"""The metrics that the docs tell operators to watch are the metrics that there are, and stay few."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import Metric

from workers.declared_metrics import DeclaredMetrics
from workers.metrics import STAGES, Metrics, SupervisorMetrics, TrainerMetrics
from workers.metrics_page import page
from workers.tagger.pictures.decoder import End
from workers.tagger.pictures.guard import Refusal
from workers.tagger.pictures.rests import Why
from workers.tagger.serving.verdict import Broken
from workers.trainer.record import Outcome

SUFFIXES = {"counter": "_total", "info": "_info"}
ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def named() -> set[str]:
    pages = [*DOCS.rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
    # A recording rule has a colon in its name, a wildcard a star behind it.
    pattern = r"(?<![a-z:_])rpbert_[a-z0-9_]+(?![a-z0-9_.*:])"
    texts = (each.read_text("utf-8") for each in pages)
    return {re.sub("_(bucket|sum|count)$", "", name) for text in texts for name in re.findall(pattern, text)}


def sets() -> tuple[DeclaredMetrics, ...]:
    return Metrics(), SupervisorMetrics(), TrainerMetrics()


def families() -> list[Metric]:
    return [family for metrics in sets() for family in metrics.registry.collect()]


def exposed() -> set[str]:
    return {family.name + SUFFIXES.get(family.type, "") for family in families()}


def test_every_metric_that_the_docs_name_is_there() -> None:
    assert named() - exposed() == set()


def test_the_page_of_metrics_is_the_code_s() -> None:
    """When this fails: `python -m workers.metrics_page > docs/metrics.md`, and commit what changed."""
    assert (DOCS / "metrics.md").read_text("utf-8") == page()
    ours = {name for name in exposed() if name.startswith("rpbert_")}
    assert {each.name for metrics in sets() for each in metrics.declared} == ours


@pytest.mark.parametrize(
    ("metric", "label", "values"),
    [
        ("rpbert_image_refusals_total", "reason", Refusal),
        ("rpbert_image_host_rests_total", "reason", Why),
        ("rpbert_image_decoder_ends_total", "reason", End),
        ("rpbert_trials_ended_total", "reason", Broken),
        ("rpbert_trainer_last_run_outcome", "outcome", [*Outcome, "failed"]),
    ],
)
def test_declared_values_are_those_of_the_module_that_sets_them(
    metric: str, label: str, values: list[str]
) -> None:
    declared = {each.name: each for each in (*Metrics().declared, *TrainerMetrics().declared)}
    assert declared[metric].labels[label] == tuple(map(str, values))


def test_every_stage_that_is_timed_is_declared() -> None:
    source = "\n".join(file.read_text("utf-8") for file in (ROOT / "workers/tagger").rglob("*.py"))
    timed = set(re.findall(r'(?:\.stage|stage_seconds\.labels)\("(\w+)"\)', source))
    assert timed == set(STAGES)


def test_a_series_stands_at_zero_before_its_first_event() -> None:
    value = Metrics().registry.get_sample_value
    assert value("rpbert_posts_dead_lettered_total", {"reason": "not_json"}) == 0
    assert value("rpbert_stage_duration_seconds_count", {"stage": "fetch"}) == 0
    trainer = TrainerMetrics().registry.get_sample_value
    # What was not measured is not 0.
    assert trainer("rpbert_trainer_f1_ratio", {"release": "incumbent", "data": "dev"}) is None
