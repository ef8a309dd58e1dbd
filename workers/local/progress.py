"""How the local services tell what they are busy with."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str], None]
"""Takes one short line such as `Apache Kafka 4.4.0: starting`; called in the thread that starts."""


def silent(_line: str) -> None:
    """Progress that nobody reads."""
