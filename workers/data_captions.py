"""Openly licensed pictures, written as captioned pictures."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from model.data.clip_art import caption_clip_art, draw_emoji
from model.data.gold import DatasetError
from workers.errors import SetupError


def write_captions(output: Path, *, clip_art: Path | None, drawings: Path | None, emoji: Path | None) -> None:
    """Write what is given under `output` and print how many pictures that made.

    Raises:
        SetupError: nothing is given, one of two that go together, or what is given can't be used.
    """
    if (clip_art is None) != (drawings is None):
        raise SetupError("--clip-art and --drawings go together: PNGs to look at, SVGs with their titles")
    if clip_art is None and emoji is None:
        raise SetupError("there is nothing to write: give --clip-art and --drawings, --emoji, or all three")
    console = Console(highlight=False)
    try:
        if clip_art is not None and drawings is not None:
            _say(console, output / "clip_art", caption_clip_art(clip_art, drawings, output / "clip_art"))
        if emoji is not None:
            _say(console, output / "emoji", draw_emoji(emoji, output / "emoji"))
    except DatasetError as error:
        raise SetupError(str(error)) from None
    except OSError as error:
        raise SetupError(f"{error.filename}: can't be read or written ({error.strerror})") from None


def _say(console: Console, directory: Path, count: int) -> None:
    console.print(f"{directory}: {count:,} captioned pictures", soft_wrap=True, markup=False)
