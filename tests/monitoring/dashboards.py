"""The committed dashboards, as the queries in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
FILES: Final = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel.

    Attributes:
        board: the dashboard's uid.
        panel: the panel's title.
        expression: in PromQL, with Grafana's variables in it.
        legend: how a series is called, labels in double braces.
    """

    board: str
    panel: str
    expression: str
    legend: str

    @property
    def promql(self) -> str:
        """The expression as Grafana sends it for all jobs."""
        return self.expression.replace("$job", ".*").replace("$__rate_interval", "1m")


def board(file: Path) -> dict[str, Any]:
    """A dashboard as Grafana reads it."""
    read: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return read


def queries(file: Path) -> Iterator[Query]:
    """Every query of a dashboard, its annotations' too."""
    read = board(file)
    for panel in read["panels"]:
        for target in panel.get("targets", ()):
            yield Query(read["uid"], panel["title"], target["expr"], target["legendFormat"])
    for annotation in read["annotations"]["list"]:
        yield Query(read["uid"], annotation["name"], annotation["expr"], "")
