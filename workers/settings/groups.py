"""The sections of a command's help, behind what is its own."""

from __future__ import annotations

from typing import Final

from cyclopts import Group

KAFKA: Final = Group("Kafka", sort_key=11)
RELEASE: Final = Group("Release and device", sort_key=12)
FOLLOWING: Final = Group("Change of release", sort_key=13)
BATCHES: Final = Group("Batches", sort_key=14)
PICTURES: Final = Group("Pictures", sort_key=15)
RULE: Final = Group("Rule", sort_key=16)
RECIPE: Final = Group("Recipe", sort_key=17)
