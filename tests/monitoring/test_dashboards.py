"""The dashboards: Grafana can load them by their form, and every query of them returns data.

Grafana itself is not started: what its panels ask is asked of a real Prometheus.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.monitoring.dashboards import FILES, ROOT, Query, board, queries
from tests.monitoring.scene import Scene, watched
from workers.local.kafka import KafkaCluster
from workers.local.prometheus import promtool
from workers.local.valkey import ValkeyServer
from workers.metrics import Metrics, TrainerMetrics

ALL: Final = [query for file in FILES for query in queries(file)]
RULES: Final = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/rules.yaml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
]
RECORDED: Final = {rule["record"] for rule in RULES if "record" in rule}
PATIENCE_SECONDS: Final = 90.0
# An annotation marks the moments of which there may be none.
PANELS: Final = [query for query in ALL if query.panel != "Release changes"]
# More than the thousand below which no drift is told.
POSTS: Final = 1_900


def scraped() -> set[str]:
    return {
        sample
        for metrics in (Metrics(), TrainerMetrics())
        for each in metrics.declared
        for sample in (
            [f"{each.name}_{part}" for part in ("bucket", "sum", "count")]
            if each.kind == "histogram"
            else [each.name]
        )
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_dashboard_is_found_under_its_uid_and_asks_the_chosen_source(file: Path) -> None:
    read = board(file)
    assert read["uid"] == file.stem
    assert {variable["name"] for variable in read["templating"]["list"]} == {"datasource", "job"}
    panels = [panel for panel in read["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in read["panels"]}) == len(read["panels"])
    assert all(panel["targets"] for panel in panels)
    sources = {source["datasource"]["uid"] for panel in panels for source in (panel, *panel["targets"])}
    assert sources == {"${datasource}"}


@pytest.mark.parametrize(
    "expression", [*(query.promql for query in ALL), *(str(rule["expr"]) for rule in RULES)]
)
def test_a_query_asks_for_metrics_that_there_are(expression: str) -> None:
    promql_parser.parse(expression)
    assert set(re.findall(r"job:rpbert_\w+:\w+", expression)) <= RECORDED
    assert set(re.findall(r"(?<!job:)\brpbert_\w+", expression)) <= scraped()


@pytest.fixture(scope="module")
def scene(
    kafka: KafkaCluster, valkey: ValkeyServer, tiny_release: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    with watched(kafka, valkey, str(tiny_release), tmp_path_factory.mktemp("watched")) as watching:
        watching.load(POSTS)
        yield watching


@pytest.mark.parametrize("query", PANELS, ids=lambda query: f"{query.board}-{query.panel}-{query.legend}")
def test_a_panel_s_query_returns_data(scene: Scene, query: Query) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not scene.answer(query):
        assert time.monotonic() < deadline, f"no data: {query.promql}"
        time.sleep(0.5)


def test_what_a_worker_under_load_tells_is_clean_and_bounded(scene: Scene) -> None:
    text = scene.worker.metrics()
    checked = promtool(["check", "metrics"], text=text)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    allowed = {each.name: each.labels for each in Metrics().declared}
    for family in text_string_to_metric_families(text):
        labels = allowed.get(family.name, allowed.get(f"{family.name}_total"))
        for sample in family.samples if labels is not None else ():
            for label, value in sample.labels.items():
                values = None if label == "le" or labels is None else labels[label]
                assert values is None or value in values, f"{sample.name} has {label}={value}"


def test_every_rule_evaluates_without_an_error(scene: Scene) -> None:
    assert [rule for rule in scene.prometheus.rules() if rule["health"] != "ok"] == []
