"""Pictures with captions, for the relation task."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from model.data.gold import DatasetError


@dataclass(frozen=True, slots=True)
class CaptionedPicture:
    """A picture, its caption, and the folder that stands for what it is about."""

    path: Path
    caption: str
    concept: str


def read_captioned_pictures(directory: Path) -> list[CaptionedPicture]:
    """Read every PNG under `directory` that has a `.txt` beside it, whose first line is its caption.

    Raises:
        DatasetError: there is none.
    """
    pictures = [
        CaptionedPicture(path, caption, str(path.parent.relative_to(directory)))
        for path in sorted(directory.rglob("*.png"))
        if (caption := _first_line(path.with_suffix(".txt")))
    ]
    if not pictures:
        raise DatasetError(f"{directory}: holds no .png with a .txt caption beside it")
    return pictures


def _first_line(path: Path) -> str:
    return path.read_text(encoding="utf-8").split("\n", 1)[0].strip() if path.is_file() else ""
