"""The ambiguity set, written and counted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from model.data.ambiguity.concepts import training_pictures
from model.data.ambiguity.generate import generate
from model.data.gold import DatasetError
from schemas import AnnotatedPost
from workers.errors import SetupError

CAPTIONED: Final = "captioned"


def generate_and_write(pictures: Path, output: Path, seed: int) -> None:
    """Write `train.jsonl`, `dev.jsonl` and `test.jsonl`, and print what they hold.

    Links to captioned pictures that show nothing of dev and test go into `captioned/`.

    Raises:
        SetupError: the pictures can't be used, or the files can't be written.
    """
    console = Console(highlight=False)
    try:
        output.mkdir(parents=True, exist_ok=True)
        for split, posts in generate(pictures, seed).items():
            path = output / f"{split}.jsonl"
            lines = (post.model_dump_json(exclude_none=True) + "\n" for post in posts)
            path.write_text("".join(lines), encoding="utf-8")
            console.print(f"{path}: {_counts(posts)}", soft_wrap=True, markup=False)
        linked = _link(pictures, output / CAPTIONED)
        console.print(f"{output / CAPTIONED}: {linked} captioned pictures", soft_wrap=True, markup=False)
    except DatasetError as error:
        raise SetupError(str(error)) from None
    except OSError as error:
        raise SetupError(f"{error.filename}: can't be written ({error.strerror})") from None


def _link(pictures: Path, output: Path) -> int:
    found = training_pictures(pictures)
    for path in (each for picture in found for each in (picture, picture.with_suffix(".txt"))):
        link = output / path.relative_to(pictures)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(path.resolve())
    return len(found)


def _counts(posts: Sequence[AnnotatedPost]) -> str:
    texts = len({post.post.text for post in posts})
    pictures = len({url for post in posts for url in post.post.pictures})
    unrelated = sum(post.relations == (False,) for post in posts) / len(posts)
    return f"{len(posts):,} posts, {texts:,} texts, {pictures:,} pictures, {unrelated:.0%} of posts unrelated"
