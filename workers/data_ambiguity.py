"""The ambiguity set, written and counted."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from json import dumps
from pathlib import Path
from typing import Final

from rich.console import Console

from model.alignment.leakage import HeldOut
from model.alignment.sentences import SentenceVectors
from model.data.ambiguity.concepts import kept_pictures, training_pictures
from model.data.ambiguity.generate import generate
from model.data.captioned import read_captioned_pictures
from model.data.gold import DatasetError
from model.pretrained import WeightsError
from schemas import AnnotatedPost
from workers.errors import SetupError
from workers.progress import bar

CAPTIONED: Final = "captioned"
FURTHER: Final = "captioned-further"


def generate_and_write(
    pictures: Path, output: Path, seed: int, further: Sequence[Path] = (), *, as_json: bool = False
) -> None:
    """Write `train.jsonl`, `dev.jsonl` and `test.jsonl`, and print what they hold.

    Links to captioned pictures that show nothing of dev and test go into `captioned/`, those of further
    directories into `captioned-further/`.

    Raises:
        SetupError: the pictures can't be used, or the files can't be written.
    """
    console = Console(highlight=False)
    try:
        output.mkdir(parents=True, exist_ok=True)
        with bar("drawing the posts"):
            splits = generate(pictures, seed)
        for split, posts in splits.items():
            path = output / f"{split}.jsonl"
            lines = (post.model_dump_json(exclude_none=True) + "\n" for post in posts)
            path.write_text("".join(lines), encoding="utf-8")
            counts = _counts(posts)
            if as_json:
                sys.stdout.write(dumps({"file": str(path), **counts}) + "\n")
            else:
                console.print(f"{path}: {_said(counts)}", soft_wrap=True, markup=False)
        found = {output / CAPTIONED: (pictures, training_pictures(pictures))}
        with bar("comparing captions"):
            for directory, harmless in _harmless(further, pictures).items():
                found[output / FURTHER / directory.name] = directory, harmless
        for folder, (directory, paths) in found.items():
            _link(paths, directory, folder)
            if as_json:
                row = {"directory": str(folder), "captioned_pictures": len(paths)}
                sys.stdout.write(dumps(row) + "\n")
            else:
                console.print(f"{folder}: {len(paths)} captioned pictures", soft_wrap=True, markup=False)
    except (DatasetError, WeightsError) as error:
        raise SetupError(str(error)) from None
    except OSError as error:
        raise SetupError(f"{error.filename}: can't be written ({error.strerror})") from None


def _harmless(directories: Sequence[Path], stamps: Path) -> dict[Path, list[Path]]:
    """Captioned pictures of each directory that tell nothing of what the pictures of dev and test show."""
    if not directories:
        return {}
    held_out = HeldOut(kept_pictures(stamps), SentenceVectors())
    found = {directory: read_captioned_pictures(directory) for directory in directories}
    return {
        directory: [
            picture.path
            for picture, leak in zip(
                pictures, held_out.given_away_by([each.caption for each in pictures]), strict=True
            )
            if not leak
        ]
        for directory, pictures in found.items()
    }


def _link(pictures: Sequence[Path], directory: Path, output: Path) -> None:
    for path in (each for picture in pictures for each in (picture, picture.with_suffix(".txt"))):
        link = output / path.relative_to(directory)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(path.resolve())


def _counts(posts: Sequence[AnnotatedPost]) -> dict[str, int]:
    return {
        "posts": len(posts),
        "texts": len({post.post.text for post in posts}),
        "pictures": len({url for post in posts for url in post.post.pictures}),
        "unrelated": sum(post.relations == (False,) for post in posts),
    }


def _said(counts: dict[str, int]) -> str:
    share = counts["unrelated"] / counts["posts"]
    named = ", ".join(f"{counts[name]:,} {name}" for name in ("posts", "texts", "pictures"))
    return f"{named}, {share:.0%} of posts unrelated"
