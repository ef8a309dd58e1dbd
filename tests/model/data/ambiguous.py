"""Stand-ins for the stamps, captioned like "A red qab.": a noun of its own, a colour that others share."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from PIL import Image

from model.data.ambiguity.concepts import CONCEPTS, Split

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_COLOURS = {True: ("red", "green", "blue", "brown"), False: ("white", "black", "grey", "lilac")}


def make_stamps(directory: Path) -> Path:
    """Write pictures where the concepts look for them, each with a caption of its own."""
    numbers = count()
    for concept in CONCEPTS:
        colours = _COLOURS[concept.split is Split.TRAIN]
        for pattern in concept.files:
            for letter in "xyz":
                number = next(numbers)
                path = directory / f"{pattern.replace('*', letter)}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (8, 8), (number % 256, 90, 10)).save(path)
                noun = "q" + _LETTERS[number // 26] + _LETTERS[number % 26]
                path.with_suffix(".txt").write_text(
                    f"A {colours[number % len(colours)]} {noun}.\n", encoding="utf-8"
                )
    return directory
