"""Openly licensed pictures, written as captioned pictures."""

from __future__ import annotations

import sys
from json import dumps
from pathlib import Path

from rich.console import Console

from model.data.clip_art import caption_clip_art, draw_emoji
from model.data.gold import DatasetError
from workers.errors import SetupError
from workers.progress import bar


def write_captions(
    output: Path, *, clip_art: Path | None, drawings: Path | None, emoji: Path | None, as_json: bool = False
) -> None:
    """Write what is given under `output` and print how many pictures that made.

    Raises:
        SetupError: nothing is given, one of two that go together, or what is given can't be used.
    """
    if (clip_art is None) != (drawings is None):
        raise SetupError("--clip-art and --drawings go together: PNGs to look at, SVGs with their titles")
    if clip_art is None and emoji is None:
        raise SetupError("there is nothing to write: give --clip-art and --drawings, --emoji, or all three")
    written: dict[Path, int] = {}
    try:
        if clip_art is not None and drawings is not None:
            folder = output / "clip_art"
            with bar("clip art", 0) as looking:
                written[folder] = caption_clip_art(clip_art, drawings, folder, looking.reach)
        if emoji is not None:
            folder = output / "emoji"
            with bar("emoji", 0) as drawing:
                written[folder] = draw_emoji(emoji, folder, drawing.reach)
    except DatasetError as error:
        raise SetupError(str(error)) from None
    except OSError as error:
        raise SetupError(f"{error.filename}: can't be read or written ({error.strerror})") from None
    if as_json:
        rows = [{"directory": str(folder), "captioned_pictures": count} for folder, count in written.items()]
        sys.stdout.writelines(dumps(row) + "\n" for row in rows)
        return
    console = Console(highlight=False)
    for folder, count in written.items():
        console.print(f"{folder}: {count:,} captioned pictures", soft_wrap=True, markup=False)
