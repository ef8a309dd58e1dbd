"""Draws a run: lag, replicas, and posts a second over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure as Canvas

from tests.autoscale.course import Mark
from tests.autoscale.watch import Sample

_OVER_SECONDS: Final = 5.0
_BLUE, _ORANGE, _GREY = "#4477aa", "#ee7733", "#888888"


def rates(samples: Sequence[Sample], over: float = _OVER_SECONDS) -> Iterator[float]:
    """Outcomes a second at each sample, over the seconds before it."""
    first = 0
    for sample in samples:
        while sample.at - samples[first].at > over:
            first += 1
        seconds = sample.at - samples[first].at
        yield (sample.outcomes - samples[first].outcomes) / seconds if seconds else 0.0


def draw(samples: Sequence[Sample], marks: Sequence[Mark], title: str, path: Path) -> None:
    """Draw to an SVG or PNG file."""
    canvas = Canvas(figsize=(9, 6.5), layout="constrained")
    canvas.suptitle(title, fontsize=9)
    lag, replicas, rate = canvas.subplots(3, sharex=True)
    times = [each.at for each in samples]
    lag.plot(times, [each.lag for each in samples], color=_BLUE)
    lag.set_ylabel("lag, offsets")
    replicas.step(
        times, [each.wanted for each in samples], color=_GREY, where="post", label="wanted by KEDA's HPA"
    )
    replicas.step(times, [each.ready for each in samples], color=_ORANGE, where="post", label="ready workers")
    replicas.set_ylabel("replicas")
    replicas.legend(frameon=False, fontsize=8)
    rate.plot(times, list(rates(samples)), color=_BLUE)
    rate.set_ylabel("posts/s")
    rate.set_xlabel("seconds")
    for axes in (lag, replicas, rate):
        axes.set_ylim(bottom=0)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        for mark in marks:
            axes.axvline(mark.at, color=_GREY, linewidth=0.8, linestyle=":")
    for mark in marks:
        lag.annotate(
            mark.what, (mark.at, 1.0), xycoords=("data", "axes fraction"), fontsize=7, ha="left", va="bottom"
        )
    canvas.savefig(path)
