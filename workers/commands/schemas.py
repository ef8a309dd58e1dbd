"""`rpbert schemas`: the wire formats as JSON Schema."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from schemas.export import EXPORTED, json_schema, write_all


def schemas(
    name: Literal["post", "tagged_post", "dead_letter", "replay", "annotated_post", "model_release"]
    | None = None,
    /,
    *,
    out: Path | None = None,
) -> None:
    """Print one wire format as JSON Schema, or write all of them.

    For example:

        rpbert schemas tagged_post

        rpbert schemas --out docs/schemas

    Args:
        name: the format to print.
        out: directory to write all formats to.
    """
    for path in write_all(out) if out is not None else ():
        sys.stdout.write(f"{path}\n")
    if name is not None:
        sys.stdout.write(json_schema(name))
    elif out is None:
        sys.stdout.writelines(json_schema(each) for each in EXPORTED)
