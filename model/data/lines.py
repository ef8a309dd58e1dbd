"""Text files as numbered lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from model.data.gold import DatasetError


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file with their numbers, from 1, without line ends.

    Only a line feed ends a line: tweets hold other line separators inside tokens.

    Raises:
        DatasetError: the file can't be opened, or a line is not UTF-8.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: can't be read ({error.strerror})") from error
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        try:
            yield number, line.removesuffix(b"\r").decode()
        except UnicodeDecodeError:
            raise DatasetError(
                f"{path}:{number}: not UTF-8; convert the file, or take out the line"
            ) from None
