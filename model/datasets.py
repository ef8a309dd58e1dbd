"""Gold data: Twitter-2015/2017 in CoNLL form, and pictures with captions for the relation task."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from model.config import BIO_TAGS

_IMAGE: Final = "IMGID:"
# A token that is blank or all zero-width keeps its place, so that gold and prediction stay aligned.
_BLANK: Final = "\N{REPLACEMENT CHARACTER}"
_INVISIBLE: Final = re.compile(r"[\s\u200b-\u200f\u2060\ufeff]*")


class DatasetError(Exception):
    """A data set can't be read; the message names the file, the line and what is wrong."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """The words of a post, their gold BIO tags, and the name of its picture."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    image: str | None


@dataclass(frozen=True, slots=True)
class CaptionedPicture:
    """A picture, its caption, and the folder that stands for what it is about."""

    path: Path
    caption: str
    concept: str


def read_conll(path: Path) -> list[Sentence]:
    """Read a file of `IMGID:<id>` lines, `token TAB tag` lines and blank lines between posts.

    `OTHER` is read as `MISC`. Tags are else as they stand, orphan I- among them, see `mend`.

    Raises:
        DatasetError: a line is none of these, or its tag is none of ours.
    """
    sentences: list[Sentence] = []
    words: list[str] = []
    tags: list[str] = []
    image: str | None = None
    # Not splitlines: tweets hold other line separators inside tokens.
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate((*lines, ""), start=1):
        if "\t" in line:
            token, tag = line.rsplit("\t", 1)
            words.append(_BLANK if _INVISIBLE.fullmatch(token) else token)
            tags.append(_tag(tag.strip(), f"{path}:{number}"))
        elif line.startswith(_IMAGE):
            image = line.removeprefix(_IMAGE).strip()
        elif line.strip():
            raise DatasetError(f"{path}:{number}: neither 'token TAB tag' nor '{_IMAGE}<id>': {line!r}")
        elif words:
            sentences.append(Sentence(tuple(words), tuple(tags), image))
            words, tags, image = [], [], None
    return sentences


def _tag(tag: str, where: str) -> str:
    tag = tag.replace("OTHER", "MISC")
    if tag not in BIO_TAGS:
        raise DatasetError(f"{where}: tag {tag!r} is none of {', '.join(BIO_TAGS)}")
    return tag


def mend(tags: Sequence[str]) -> list[str]:
    """The tags with every orphan I-, one with none of its type before it, made a B-: valid BIO."""
    mended: list[str] = []
    for tag in tags:
        orphan = tag.startswith("I-") and (not mended or mended[-1][2:] != tag[2:])
        mended.append(f"B-{tag[2:]}" if orphan else tag)
    return mended


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


def read_all(paths: Iterable[Path]) -> list[Sentence]:
    """The sentences of several files, in their order."""
    return [sentence for path in paths for sentence in read_conll(path)]
