"""Where a peer reads and writes, as its command line tells it, and what is alike for all of them."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SESSION_MS: Final = 6_000
COMMIT_SECONDS: Final = 0.15
"""As often as `rpbert worker` commits."""


@dataclass(frozen=True, slots=True)
class Told:
    """Where a peer reads and writes."""

    servers: str
    group: str
    source: str
    results: str
    features: Path
    directory: Path


def told() -> Told:
    """What the command line says."""
    parser = ArgumentParser()
    for name in ("servers", "group", "source", "results"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("features", "directory"):
        parser.add_argument(f"--{name}", required=True, type=Path)
    return Told(**vars(parser.parse_args()))
