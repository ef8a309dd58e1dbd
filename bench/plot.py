"""Plots of figures that share a unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure as Canvas

from bench.figures import Figures

_WIDTH, _ROW = 8.0, 0.4


def bars(figures: Figures, unit: str, path: Path) -> None:
    """Draw the medians of all figures of a unit as bars, with lowest and highest, to an SVG or PNG file."""
    shown = [figure for figure in figures.figures if figure.unit == unit][::-1]
    canvas = Canvas(figsize=(_WIDTH, 1 + _ROW * len(shown)), layout="constrained")
    axes = canvas.add_subplot()
    medians = [figure.median for figure in shown]
    spread = [
        [figure.median - figure.lowest for figure in shown],
        [figure.highest - figure.median for figure in shown],
    ]
    drawn = axes.barh([figure.name for figure in shown], medians, xerr=spread, color="#4477aa", capsize=2)
    axes.bar_label(drawn, [f"{median:,.3g}" for median in medians], padding=4)
    # Below the whole figure: long names leave the axis little width.
    canvas.supxlabel(f"{unit}, median and range; {figures.machine}", fontsize="medium")
    axes.margins(x=0.12)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    canvas.savefig(path)


def lines(
    figures: Figures, curves: Mapping[str, Sequence[tuple[float, str]]], axes_of: tuple[str, str], path: Path
) -> None:
    """Draw medians as curves, on a logarithmic scale, to an SVG or PNG file.

    Args:
        figures: what was measured.
        curves: by name, each a row of places and the names of the figures there.
        axes_of: what the places are, and the unit of the figures.
        path: the file.
    """
    along, unit = axes_of
    medians = {figure.name: figure.median for figure in figures.figures if figure.unit == unit}
    canvas = Canvas(figsize=(_WIDTH, _WIDTH / 2), layout="constrained")
    axes = canvas.add_subplot()
    for label, points in curves.items():
        axes.plot([place for place, _ in points], [medians[name] for _, name in points], "o-", label=label)
    axes.set_xlabel(f"{along}; {figures.machine}")
    axes.set_ylabel(unit)
    axes.set_yscale("log")
    axes.legend(frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    canvas.savefig(path)
