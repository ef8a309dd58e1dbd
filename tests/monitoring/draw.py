"""Draws the dashboards from a real Prometheus' answers: `python -m tests.monitoring.draw`.

Ours, not Grafana's: no Grafana runs where the project is tested. The pictures go to `docs/dashboards`.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from tests.monitoring.dashboards import FILES, ROOT, Query, board
from tests.monitoring.scene import Scene, watched
from workers.local.kafka import KafkaCluster
from workers.local.valkey import ValkeyServer

_WAVES: Final = 3
_POSTS: Final = 360
_COLUMNS: Final = 24
_ROW_INCHES: Final = 0.42
_MOST_NAMED: Final = 9


def main() -> None:
    """Let a worker work for some minutes, then draw every dashboard."""
    mpl.use("Agg")
    folder = ROOT / "docs" / "dashboards"
    folder.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="rpbert-draw-") as directory,
        KafkaCluster() as kafka,
        ValkeyServer() as valkey,
        watched(kafka, valkey, "small", Path(directory)) as scene,
    ):
        for _ in range(_WAVES):
            scene.load(_POSTS)
        for file in FILES:
            draw(board(file), scene, folder / f"{file.stem}.png")
            sys.stdout.write(f"{folder / file.stem}.png\n")


def draw(read: dict[str, Any], scene: Scene, file: Path) -> None:
    """One dashboard, its panels where Grafana would put them."""
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in read["panels"])
    figure = plt.figure(figsize=(16, height * _ROW_INCHES + 0.6))
    grid = figure.add_gridspec(height, _COLUMNS, left=0.03, right=0.99, bottom=0.01, top=0.965)
    figure.suptitle(
        f"{read['title']} - drawn by us with matplotlib from Prometheus' answers, not by Grafana", y=0.995
    )
    for panel in read["panels"]:
        place = panel["gridPos"]
        rows = slice(place["y"], place["y"] + place["h"])
        cell = grid[rows, place["x"] : place["x"] + place["w"]].subgridspec(1, 1)
        inner = cell[0].subgridspec(10, 12)[1:9, 1:12]
        axes = figure.add_subplot(inner)
        if panel["type"] == "row":
            axes.axis("off")
            axes.text(-0.05, 0, panel["title"], fontsize=12, weight="bold")
            continue
        axes.set_title(panel["title"], fontsize=8, loc="left", pad=2)
        axes.tick_params(labelsize=6, length=2)
        _fill(axes, panel, scene)
    figure.savefig(file, dpi=80)
    plt.close(figure)


def _fill(axes: Axes, panel: dict[str, Any], scene: Scene) -> None:
    lines: list[tuple[str, list[float], list[float]]] = []
    for target in panel["targets"]:
        query = Query("", panel["title"], target["expr"], target["legendFormat"])
        for series in scene.answer(query):
            times = [float(at) - scene.began for at, _ in series["values"]]
            lines.append((_named(query, series["metric"]), times, [float(v) for _, v in series["values"]]))
    if panel["type"] in {"stat", "table"}:
        axes.axis("off")
        for number, (name, _, values) in enumerate(lines[:4]):
            axes.text(0.02, 0.6 - 0.25 * number, f"{values[-1]:,.3g}  {name}", fontsize=9)
        return
    lines.sort(key=lambda line: -line[2][-1])
    for number, (name, times, values) in enumerate(lines):
        axes.plot(times, values, linewidth=0.9, label=name if number < _MOST_NAMED else None)
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=5, loc="upper left", frameon=False, ncols=2 if len(lines) > 4 else 1)


def _named(query: Query, labels: dict[str, str]) -> str:
    if query.legend:
        return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), query.legend)
    return ", ".join(value for name, value in labels.items() if name not in {"job", "instance", "__name__"})


if __name__ == "__main__":
    main()
