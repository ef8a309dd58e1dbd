"""Pictures of gold posts, in a folder, by their names."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import numpy as np
import numpy.typing as npt

from model.data.gold import DatasetError
from model.pictures import PictureError, decode
from schemas import MAX_IMAGES

_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp", ".gif")

Pixels = npt.NDArray[np.uint8]


class ImageFolder:
    """A folder of pictures, each found by its path within the folder, with or without suffix.

    Of several pictures with one stem, `.jpg` comes first, then `.jpeg`, `.png`, `.webp` and `.gif`.
    """

    def __init__(self, directory: Path) -> None:
        """List the folder.

        Raises:
            DatasetError: it can't be read.
        """
        try:
            files = [path for path in _files(directory) if path.suffix.lower() in _SUFFIXES]
        except OSError as error:
            raise DatasetError(f"{directory}: no folder of pictures ({error.strerror})") from error
        # The preferred suffix last, so that its file stays.
        files.sort(key=lambda path: _SUFFIXES.index(path.suffix.lower()), reverse=True)
        inside = {path: path.relative_to(directory) for path in files}
        self._by_stem = {within.with_suffix("").as_posix(): path for path, within in inside.items()}
        self._by_name = {within.as_posix(): path for path, within in inside.items()}

    def find(self, name: str) -> Path | None:
        """The picture of a name, with or without its suffix; None where the folder has none."""
        return self._by_name.get(name) or self._by_stem.get(name)


def _files(directory: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> NoReturn:
        raise error

    for folder, _, names in os.walk(directory, onerror=refuse):
        yield from (Path(folder, name) for name in names)


@dataclass(frozen=True, slots=True)
class PictureCounts:
    """What became of the pictures that posts name.

    Attributes:
        named: All of them; the sum of the others.
        usable: Found and decoded.
        missing: Not in the folder.
        broken: In the folder, and not to be decoded.
        left_out: Beyond a post's first `MAX_IMAGES`, or not looked for.
    """

    named: int = 0
    usable: int = 0
    missing: int = 0
    broken: int = 0
    left_out: int = 0


class PostPictures:
    """Decodes the pictures of posts and counts what becomes of them: no post is lost to its picture."""

    def __init__(self, folder: ImageFolder | None = None, *further: ImageFolder) -> None:
        """Begin counting.

        Args:
            folder: where the pictures lie; None leaves all of them out.
            further: where those lie that it has not.
        """
        self._folders = () if folder is None else (folder, *further)
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> PictureCounts:
        """Of all pictures so far."""
        return PictureCounts(named=self._counts.total(), **self._counts)

    def decode(self, names: Sequence[str]) -> tuple[Pixels | None, ...]:
        """The pictures of one post, RGB `(224, 224, 3)` each; None for one that can't take part."""
        decoded = []
        for place, name in enumerate(names):
            outcome, pixels = self._decode(name) if place < MAX_IMAGES else ("left_out", None)
            self._counts[outcome] += 1
            decoded.append(pixels)
        return tuple(decoded)

    def _decode(self, name: str) -> tuple[str, Pixels | None]:
        if not self._folders:
            return "left_out", None
        path = next((path for folder in self._folders if (path := folder.find(name))), None)
        if path is None:
            return "missing", None
        try:
            return "usable", decode(path.read_bytes())
        except (OSError, PictureError):
            return "broken", None
