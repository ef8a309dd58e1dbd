"""A file of gold posts, whichever form it has."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

from model.data.annotated import read_annotated
from model.data.conll import read_conll
from model.data.gold import DatasetError, GoldPost, GoldSet
from model.data.lines import numbered_lines
from model.data.trc import HEADER


class DataForm(StrEnum):
    """The forms that gold data comes in."""

    CONLL = "conll"
    ANNOTATED = "annotated"
    TRC = "trc"


def form_of(path: Path) -> DataForm:
    """The form of a file, judged by its first line that is not blank.

    Raises:
        DatasetError: the file can't be read, or is blank.
    """
    first = next((line for _, line in numbered_lines(path) if line.strip()), None)
    if first is None:
        raise DatasetError(f"{path}: is empty; posts were expected")
    if first.startswith(HEADER[0]):
        return DataForm.TRC
    return DataForm.ANNOTATED if first.lstrip().startswith("{") and "\t" not in first else DataForm.CONLL


def read_gold(path: Path) -> GoldSet:
    """Read a file of posts with gold entities: CoNLL or annotated posts.

    Raises:
        DatasetError: the file can't be read, a line of it is wrong, or it has relation labels only.
    """
    match form_of(path):
        case DataForm.CONLL:
            return read_conll(path)
        case DataForm.ANNOTATED:
            return read_annotated(path)
        case DataForm.TRC:
            raise DatasetError(
                f"{path}: holds relation labels and no entities; give CoNLL or annotated posts"
            )


def read_all(paths: Iterable[Path]) -> list[GoldPost]:
    """The posts of several files, in their order."""
    return [post for path in paths for post in read_gold(path).posts]
