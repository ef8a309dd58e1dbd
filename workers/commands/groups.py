"""The sections of `rpbert --help`, in the order of a first acquaintance."""

from __future__ import annotations

from typing import Final

from cyclopts import Group

TRY: Final = Group("Try it", sort_key=1)
SERVE: Final = Group("Serve", sort_key=2)
BUILD: Final = Group("Build on it", sort_key=3)
