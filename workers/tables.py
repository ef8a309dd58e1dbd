"""Tables of the command line: on a terminal as wide as it is, in a pipe lines with tabs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

Cell = str | Text

# A longer word is broken sooner than the table is given up for it.
_WORD_CELLS: Final = 16
_BETWEEN_CELLS: Final = 2


def print_table(
    console: Console, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], *, headed: bool = False
) -> None:
    """Print rows; where the terminal is too narrow for a table, one block a row.

    Args:
        console: of standard output.
        columns: with their headings.
        rows: a cell for each column, without line feeds and tabs.
        headed: whether a pipe gets the headings too, to tell one table from the next.
    """
    cells = [[Text(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    if not console.is_terminal:
        headings = [[str(column.header) for column in columns]] if headed else []
        lines = [*headings, *([cell.plain for cell in row] for row in cells)]
        # Not by rich, which makes spaces of tabs.
        sys.stdout.writelines("\t".join(line) + "\n" for line in lines)
    elif _least_cells(columns, cells) <= console.width:
        table = Table(*(column.copy() for column in columns), box=None, pad_edge=False)
        for row in cells:
            table.add_row(*row)
        console.print(table)
    else:
        for row in cells:
            console.print(_block(columns, row))
            console.print()


def print_lines(console: Console, *lines: Text) -> None:
    """Print lines, broken between words where a terminal ends, whole in a pipe."""
    console.print(*lines, sep="\n", soft_wrap=not console.is_terminal)


def _least_cells(columns: Sequence[Column], rows: Sequence[Sequence[Text]]) -> int:
    """The width in which the table can still be read."""
    least = _BETWEEN_CELLS * (len(columns) - 1)
    for number, column in enumerate(columns):
        texts = [str(column.header), *(row[number].plain for row in rows)]
        whole = max(map(cell_len, texts))
        words = (cell_len(word) for text in texts for word in text.split())
        needed = whole if column.no_wrap else min(max(words, default=0), _WORD_CELLS)
        least += max(needed, column.min_width or 0)
    return least


def _block(columns: Sequence[Column], row: Sequence[Text]) -> Table:
    """A row with its cells below one another, each behind its heading; empty ones are left out."""
    block = Table.grid(padding=(0, 1))
    block.add_column(style="bold", no_wrap=True)
    block.add_column(ratio=1, overflow="fold")
    for column, cell in zip(columns, row, strict=True):
        if cell.plain:
            block.add_row(str(column.header), cell)
    return block
