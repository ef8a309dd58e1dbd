"""A file of gold posts, whichever form it has."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from model.data.conll import read_conll
from model.data.gold import GoldPost, GoldSet


def read_gold(path: Path) -> GoldSet:
    """Read a file of gold posts.

    Raises:
        DatasetError: the file can't be read, or a line of it is wrong.
    """
    return read_conll(path)


def read_all(paths: Iterable[Path]) -> list[GoldPost]:
    """The posts of several files, in their order."""
    return [post for path in paths for post in read_gold(path).posts]
