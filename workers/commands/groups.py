"""The sections of `rpbert --help`, in the order of a first acquaintance."""

from __future__ import annotations

from typing import Final

from cyclopts import Group

TRY: Final = Group("Try it", sort_key=1)
SET_UP: Final = Group("Set it up", sort_key=2)
SERVE: Final = Group("Serve", sort_key=3)
MEND: Final = Group("Look after it", sort_key=4)
BUILD: Final = Group("Train and measure", sort_key=5)
SHELL: Final = Group("This command line", sort_key=6)
