"""The pictures of a report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from model.training.confusion import MISSED, SPURIOUS
from model.training.progress import Phase
from model.training.report import Report
from schemas import EntityType

# Okabe and Ito's, told apart by the colour-blind too.
_COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
_GREY: Final = "#8A8F98"
_INK: Final = "#2B2F36"
_DOTS_PER_INCH: Final = 150
_STYLE: Final[dict[Any, Any]] = {
    "axes.axisbelow": True,
    "axes.edgecolor": _GREY,
    "axes.grid": True,
    "axes.labelcolor": _INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": _INK,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "figure.facecolor": "white",
    "grid.color": "#E6E8EB",
    "legend.frameon": False,
    "lines.linewidth": 2,
    "text.color": _INK,
    "xtick.color": _INK,
    "xtick.major.size": 0,
    "ytick.color": _INK,
    "ytick.major.size": 0,
}

_SHOWN_LOSSES: Final = 0.99
"""Share of the losses that a curve's scale makes room for."""

_DARK: Final = 0.55
"""Shade that dark ink can't be read on."""

_SMOOTHED_OVER: Final = 40
"""A loss is smoothed over this part of its steps."""


def draw(report: Report, directory: Path) -> list[Path]:
    """Draw all pictures that the report has figures for.

    Returns:
        The files: `curves.png`, `types.png`, `confusion.png` and, with a relation task, `relation.png`.
    """
    figures = {"curves": _curves, "types": _types, "confusion": _confusion, "relation": _relation}
    if not report.relation:
        del figures["relation"]
    files = []
    with rc_context(_STYLE):
        for name, make in figures.items():
            files.append(directory / f"{name}.png")
            make(report).savefig(files[-1], dpi=_DOTS_PER_INCH)
    return files


def _curves(report: Report) -> Figure:
    """Losses by step, F1 by epoch."""
    phases = [phase for phase in Phase if any(step.phase is phase for step in report.steps)]
    figure, panels = _panels(len(phases) + 1, width=5.2, height=3.9)
    for axes, phase, colour in zip(panels, phases, _COLOURS, strict=False):
        losses = np.array([step.loss for step in report.steps if step.phase is phase])
        each_epoch = sum(step.phase is phase and step.epoch == 1 for step in report.steps)
        epochs = np.arange(1, len(losses) + 1) / each_epoch
        axes.plot(epochs, losses, ".", color=colour, alpha=0.35, markersize=5, markeredgewidth=0)
        axes.plot(epochs, _smooth(losses), color=colour)
        # A few wild first steps must not flatten all the rest.
        top = max(float(np.quantile(losses, _SHOWN_LOSSES)), float(_smooth(losses).max()))
        axes.set(title=f"{phase} loss", xlabel="epoch", xlim=(0, None), ylim=(0, 1.05 * top))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes = panels[len(phases)]
    numbers = [epoch.epoch for epoch in report.epochs]
    for file, colour in zip(report.dev, _COLOURS, strict=False):
        f1 = [100 * epoch.entities[file].conlleval.micro.f1 for epoch in report.epochs]
        axes.plot(numbers, f1, "o-", color=colour, label=file)
    axes.axvline(report.best_epoch, color=_GREY, linestyle=":", label=f"released: epoch {report.best_epoch}")
    axes.set(title="development F1, %", xlabel="epoch", xlim=(0.8, max(numbers) + 0.2))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.legend()
    return figure


def _types(report: Report) -> Figure:
    """F1 of each type, a bar a development file."""
    figure, (axes,) = _panels(1, width=8.0, height=4.2)
    kinds = ["all", *EntityType]
    width = 0.8 / len(report.dev)
    for index, ((file, scores), colour) in enumerate(zip(report.dev.items(), _COLOURS, strict=False)):
        each = [scores.conlleval.micro, *(scores.conlleval.types.get(kind) for kind in EntityType)]
        f1 = [100 * score.f1 if score else 0.0 for score in each]
        places = np.arange(len(kinds)) + (index - (len(report.dev) - 1) / 2) * width
        bars = axes.bar(places, f1, width * 0.92, color=colour, label=file)
        axes.bar_label(bars, fmt="%.1f", fontsize=8, color=_INK, padding=2)
    axes.set(title="F1 by entity type, % (conlleval)", ylim=(0, 112))
    axes.set_xticks(range(len(kinds)), kinds)
    axes.set_yticks(range(0, 101, 20))
    axes.grid(visible=False, axis="x")
    axes.legend(loc="upper right", ncols=len(report.dev))
    return figure


def _confusion(report: Report) -> Figure:
    """Gold types against found ones, a panel a development file; shades are shares of a row."""
    figure, panels = _panels(len(report.confusion), width=4.6, height=4.4)
    rows, columns = [*EntityType, SPURIOUS], [*EntityType, MISSED]
    for axes, (file, counts) in zip(panels, report.confusion.items(), strict=True):
        table = np.array([[counts[row][column] for column in columns] for row in rows])
        shares = table / np.maximum(1, table.sum(axis=1, keepdims=True))
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), count in np.ndenumerate(table):
            if (row, column) != (len(rows) - 1, len(columns) - 1):
                ink = "white" if shares[row, column] > _DARK else _INK
                axes.text(column, row, f"{count}", ha="center", va="center", color=ink)
        axes.set(title=file, xlabel="found", ylabel="gold")
        axes.set_xticks(range(len(columns)), columns)
        axes.set_yticks(range(len(rows)), rows)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.axhline(len(rows) - 1.5, color="white", linewidth=4)
        axes.axvline(len(columns) - 1.5, color="white", linewidth=4)
    return figure


def _relation(report: Report) -> Figure:
    """P(related) of held-out pairs, related and not, a panel a source."""
    figure, panels = _panels(len(report.relation), width=5.6, height=3.9)
    for axes, (source, histogram) in zip(panels, report.relation_histogram.items(), strict=True):
        edges, scores = np.array(histogram.edges), report.relation[source]
        for counts, label, colour in (
            (histogram.unrelated, "unrelated", _COLOURS[1]),
            (histogram.related, "related", _COLOURS[0]),
        ):
            shares = np.array(counts) / max(1, sum(counts))
            axes.stairs(100 * shares, edges, fill=True, alpha=0.35, color=colour)
            axes.stairs(100 * shares, edges, color=colour, label=f"{label}, {sum(counts)} pairs")
        auc = "" if scores.auc is None else f": AUC {scores.auc:.3f}"
        axes.set(title=f"{source}{auc}", xlabel="relation score", ylabel="% of the pairs", xlim=(0, 1))
        axes.axvline(0.5, color=_GREY, linestyle=":")
        axes.legend()
    return figure


def _panels(count: int, *, width: float, height: float) -> tuple[Figure, Sequence[Axes]]:
    figure = Figure(figsize=(width * count, height), layout="constrained")
    panels: Sequence[Axes] = figure.subplots(1, count, squeeze=False)[0]
    return figure, panels


def _smooth(values: np.ndarray) -> np.ndarray:
    """Mean over the steps around each."""
    reach = max(1, len(values) // _SMOOTHED_OVER)
    return np.array([values[max(0, at - reach) : at + reach + 1].mean() for at in range(len(values))])
