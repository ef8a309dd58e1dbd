"""Twitter-2015/2017 in CoNLL form: `IMGID:<id>`, `token TAB tag` lines, a blank line between posts."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Final

from model.config import BIO_TAGS
from model.data.gold import DatasetError, GoldPost, GoldSet, Oddity, mend
from model.data.lines import numbered_lines

IMAGE: Final = "IMGID:"
"""Begins the line that names a post's picture."""

# A token that shows nothing keeps its place, so that gold and prediction stay aligned.
_PLACE: Final = "\N{REPLACEMENT CHARACTER}"
_INVISIBLE: Final = re.compile(r"[\s\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff]*")


def read_conll(path: Path) -> GoldSet:
    """Read a CoNLL file; several `IMGID:` lines above a post are several pictures.

    Raises:
        DatasetError: the file can't be read, a line is none of the three, or its tag is none of ours.
    """
    reader = _Reader(path)
    for number, line in numbered_lines(path):
        reader.read(number, line)
    reader.end_post()
    return GoldSet(tuple(reader.posts), dict(reader.oddities))


class _Reader:
    """The post that is being read, and what was read before it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.posts: list[GoldPost] = []
        self.oddities: Counter[str] = Counter()
        self._start_post()

    def _start_post(self) -> None:
        self._words: list[str] = []
        self._tags: list[str] = []
        self._images: list[str] = []

    def read(self, number: int, line: str) -> None:
        if "\t" in line:
            token, tag = line.rsplit("\t", 1)
            self._words.append(self._shown(token))
            self._tags.append(self._known(tag.strip(), number))
        elif line.startswith(IMAGE):
            if self._words:
                self.oddities[Oddity.POSTS_WITHOUT_BLANK_LINE] += 1
                self.end_post()
            self._images.append(line.removeprefix(IMAGE).strip())
        elif line.strip():
            raise DatasetError(
                f"{self._path}:{number}: neither 'token TAB tag' nor '{IMAGE}<id>': {line[:60]!r}; "
                "mend the line or take it out"
            )
        else:
            self.end_post()

    def end_post(self) -> None:
        if self._words:
            pairs = zip(self._tags, mend(self._tags), strict=True)
            self.oddities[Oddity.ORPHAN_INSIDE_TAGS] += sum(tag != mended for tag, mended in pairs)
            self.posts.append(GoldPost(tuple(self._words), tuple(self._tags), tuple(self._images)))
        elif self._images:
            self.oddities[Oddity.POSTS_WITHOUT_WORDS] += 1
        self._start_post()

    def _shown(self, token: str) -> str:
        if not _INVISIBLE.fullmatch(token):
            return token
        self.oddities[Oddity.ZERO_WIDTH_TOKENS if token.strip() else Oddity.BLANK_TOKENS] += 1
        return _PLACE

    def _known(self, tag: str, number: int) -> str:
        prefix, _, kind = tag.partition("-")
        if kind == "OTHER":
            self.oddities[Oddity.OTHER_AS_MISC] += 1
            tag = f"{prefix}-MISC"
        if tag not in BIO_TAGS:
            raise DatasetError(f"{self._path}:{number}: tag {tag!r} is none of {', '.join(BIO_TAGS)}")
        return tag
