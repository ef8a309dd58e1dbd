"""The figure of visual attention: a post's text with its tags, and its pictures as its entities see them."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter

from model.explain import GRID, Maps, VisualAttention
from schemas import Entity, EntityType, ImageRelation, ImageStatus
from workers.render import plain
from workers.tagged_lines import TAG_SIZE, tagged_lines

FORMATS: Final = ("png", "jpg", "svg", "pdf")

# After Okabe and Ito, whose colours every kind of eye tells apart; dark enough for white letters.
_COLOURS: Final = {
    EntityType.PER: "#0067A6",
    EntityType.LOC: "#00735A",
    EntityType.ORG: "#B34700",
    EntityType.MISC: "#94477A",
}
_GREY: Final = "#555555"
_HEAT: Final = "viridis"
_DPI: Final = 110
_MONOSPACED: Final = "DejaVu Sans Mono"

_MOST_ENTITIES: Final = 24
_MOST_LINES: Final = 12
_PER_ROW: Final = 4
_LONGEST_NAME: Final = 16

# Inches.
_WIDTH: Final = 10.0
_MARGIN: Final = 0.4
_TITLE: Final = 0.75
_CELL: Final = 0.0935
_LINE: Final = 0.3
_HEADING: Final = 0.42
_PANEL: Final = 1.36
_GAP: Final = 0.1
_CAPTION: Final = 0.5
_SIDE: Final = 0.42
_SCALE: Final = 0.75


@dataclass(frozen=True, slots=True, eq=False)
class Explained:
    """A post, what was found in it and where that looks.

    Attributes:
        text: the text of the post.
        entities: what was found, in the order of the text.
        images: each image with its status and relation score.
        pixels: `(224, 224, 3)` of each image that could be had.
        attention: of the entities to those images.
        release: name and version of the release that tagged.
    """

    text: str
    entities: tuple[Entity, ...]
    images: tuple[ImageRelation, ...]
    pixels: tuple[npt.NDArray[np.uint8], ...]
    attention: VisualAttention
    release: str


def draw(explained: Explained) -> Figure:
    """Draw text, tags and relation scores, and each picture under the attention of each entity."""
    return _Sheet(explained).figure


def write(figure: Figure, path: Path) -> None:
    """Write a figure in the format of the path's ending.

    Raises:
        OSError: the file can't be written.
    """
    with warnings.catch_warnings():
        # No font has every script; what it lacks is drawn as a box.
        warnings.filterwarnings("ignore", r"Glyph .* missing from", UserWarning)
        figure.savefig(path)


class _Sheet:
    """A figure as tall as its content; all places are in inches from the upper left."""

    def __init__(self, explained: Explained) -> None:
        self.explained = explained
        self.entities = explained.entities[:_MOST_ENTITIES]
        width = int((_WIDTH - 2 * _MARGIN) / _CELL)
        self.lines = tagged_lines(explained.text, explained.entities, width=width)
        rows = max(1, math.ceil(len(self.entities) / _PER_ROW))
        self.picture_height = _HEADING + rows * (2 * _PANEL + _GAP + _CAPTION)
        text_height = _TITLE + _LINE * (min(len(self.lines), _MOST_LINES) + 0.8)
        images_height = sum(
            self.picture_height if image.status is ImageStatus.OK else _HEADING for image in explained.images
        )
        maps = (explained.attention.before, explained.attention.after)
        self.norm = Normalize(0, max((float(part.max()) for part in maps if part.size), default=0) or 1)
        has_maps = bool(explained.attention.before.size)
        self.height = text_height + images_height + (_SCALE if has_maps else 0.2)
        self.figure = Figure(figsize=(_WIDTH, self.height), dpi=_DPI, facecolor="white")
        self.page = self._axes(0, 0, _WIDTH, self.height)
        self.page.set(xlim=(0, _WIDTH), ylim=(self.height, 0))
        self.page.axis("off")
        self._title()
        self._text()
        self._images(text_height)
        if has_maps:
            self._scale()

    def _axes(self, left: float, top: float, width: float, height: float) -> Axes:
        return self.figure.add_axes(
            (left / _WIDTH, 1 - (top + height) / self.height, width / _WIDTH, height / self.height)
        )

    def _write(self, left: float, top: float, text: str, **style: object) -> None:
        # Not parsed: a post may hold "$".
        self.page.text(left, top, text, parse_math=False, **{"va": "center", "color": "black", **style})  # type: ignore[arg-type]

    def _title(self) -> None:
        scores = [image.relevance for image in self.explained.images if image.relevance is not None]
        title = f"Relation score {max(scores):.2f}" if scores else "Text alone: no picture to relate to"
        self._write(_MARGIN, 0.4, title, fontsize=16, fontweight="bold")
        self._write(_WIDTH - _MARGIN, 0.4, self.explained.release, fontsize=9, color=_GREY, ha="right")

    def _text(self) -> None:
        size = _CELL * 72 / 0.602  # a cell of this font is 0.602 of its size
        for number, line in enumerate(self.lines[:_MOST_LINES]):
            middle = _TITLE + _LINE * (number + 0.5)
            for run in line:
                left = _MARGIN + _CELL * run.column
                style: dict[str, object] = {"fontsize": size, "family": _MONOSPACED, "va": "center"}
                if run.type is not None and run.tag:
                    style |= {"color": _COLOURS[run.type], "fontsize": TAG_SIZE * size}
                elif run.type is not None:
                    style["color"] = "white"
                    box = (left, middle - 0.36 * _LINE), _CELL * run.cells, 0.72 * _LINE
                    self.page.add_patch(Rectangle(*box, color=_COLOURS[run.type], linewidth=0))
                self._write(left, middle, run.text, **style)
        left_out = len(self.lines) - _MOST_LINES
        if left_out > 0:
            below = _TITLE + _LINE * (_MOST_LINES + 0.4)
            self._write(_MARGIN, below, f"… and {left_out} lines more", fontsize=9, color=_GREY)

    def _images(self, top: float) -> None:
        usable = 0
        for image in self.explained.images:
            self._heading(image, usable, top + 0.2)
            if image.status is not ImageStatus.OK:
                top += _HEADING
                continue
            self._picture(usable, top + _HEADING)
            top += self.picture_height
            usable += 1

    def _heading(self, image: ImageRelation, place: int, middle: float) -> None:
        name = plain(image.url.rstrip("/").rpartition("/")[2])[:60]
        if image.relevance is None:
            said = f"{name}: {image.status.value.replace('_', ' ')}, text only"
            self._write(_MARGIN, middle, said, fontsize=10.5, color=_GREY)
            return
        gate = self.explained.attention.gates[place]
        passed = {0.0: "shut out", 1.0: "let in whole"}.get(gate, f"let in by {gate:.2f}")
        self._write(
            _MARGIN,
            middle,
            f"{name}: related {image.relevance:.2f}, {passed}",
            fontsize=10.5,
            fontweight="bold",
        )

    def _picture(self, place: int, top: float) -> None:
        side = 2 * _PANEL + _GAP
        axes = self._axes(_MARGIN, top + 0.22, side, side)
        axes.imshow(self.explained.pixels[place])
        _frame(axes)
        left = _MARGIN + side + _SIDE
        if not self.entities:
            self._write(left, top + 0.22 + side / 2, "no entities", fontsize=10.5, color=_GREY)
        for index, entity in enumerate(self.entities):
            row, column = divmod(index, _PER_ROW)
            at_left = left + column * (_PANEL + _GAP)
            at_top = top + row * (side + _CAPTION) + 0.22
            name = plain(entity.text)
            if len(name) > _LONGEST_NAME:
                name = name[: _LONGEST_NAME - 1] + "…"
            middle = at_left + _PANEL / 2
            self._write(
                middle,
                at_top - 0.11,
                name,
                fontsize=9,
                ha="center",
                color=_COLOURS[entity.type],
                weight="bold",
            )
            attention = self.explained.attention
            maps = ((attention.before, "gate off"), (attention.after, "behind the gate"))
            for step, (attended, label) in enumerate(maps):
                at = at_top + step * (_PANEL + _GAP)
                self._panel(place, attended[index, place], at_left, at)
                if not column:
                    beside = {"fontsize": 9, "ha": "center", "rotation": 90, "color": _GREY}
                    self._write(at_left - 0.13, at + _PANEL / 2, label, **beside)
        more = len(self.explained.entities) - len(self.entities)
        if more:
            self._write(
                left, top + self.picture_height - _HEADING - 0.2, f"… and {more} entities more", fontsize=9
            )

    def _panel(self, place: int, attended: Maps, left: float, top: float) -> None:
        """A picture in grey under one map, the whole share of the picture in its corner."""
        axes = self._axes(left, top, _PANEL, _PANEL)
        _frame(axes)
        whole = (0, GRID, GRID, 0)
        grey = self.explained.pixels[place].mean(axis=2)
        axes.imshow(grey, cmap="gray", vmin=-80, vmax=255, extent=whole)
        if attended.any():
            alpha = 0.25 + 0.6 * self.norm(attended)
            axes.imshow(
                attended, cmap=_HEAT, norm=self.norm, alpha=alpha, extent=whole, interpolation="nearest"
            )
        corner = {"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.85}
        share = f"{100 * attended.sum():.1f} %"
        axes.text(GRID - 0.15, GRID - 0.2, share, fontsize=8, ha="right", va="bottom", bbox=corner)

    def _scale(self) -> None:
        axes = self._axes(_MARGIN, self.height - 0.55, 2 * _PANEL + _GAP, 0.12)
        bar = self.figure.colorbar(ScalarMappable(self.norm, _HEAT), cax=axes, orientation="horizontal")
        bar.locator = MaxNLocator(3)
        bar.formatter = PercentFormatter(1, decimals=1, symbol=" %")
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=8, length=2)
        said = (
            "Share of an entity's attention that goes to a block, in the last layer, mean over the heads.\n"
            "In the corner: the share of the whole picture. The rest goes to the words."
        )
        self._write(_MARGIN + 2 * _PANEL + _GAP + _SIDE, self.height - 0.42, said, fontsize=8.5, color=_GREY)


def _frame(axes: Axes) -> None:
    """A thin line around a picture, which may be as white as the page."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(color="#cccccc", linewidth=0.6)
