"""The schemas as JSON Schema (draft 2020-12), for those who don't read Python."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from schemas.annotated_post import AnnotatedPost
from schemas.dead_letter import DeadLetter
from schemas.post import Post
from schemas.release import ModelRelease
from schemas.replay import Replay
from schemas.tagged_post import TaggedPost

EXPORTED: Final[dict[str, type[BaseModel]]] = {
    "post": Post,
    "tagged_post": TaggedPost,
    "dead_letter": DeadLetter,
    "replay": Replay,
    "annotated_post": AnnotatedPost,
    "model_release": ModelRelease,
}


def json_schema(name: str) -> str:
    """The JSON Schema of `name`, a key of `EXPORTED`, as text with a final newline."""
    model = EXPORTED[name]
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **model.model_json_schema(mode="validation"),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def write_all(directory: Path) -> list[Path]:
    """Write every schema as `NAME.schema.json` under `directory` and return the paths."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for name in EXPORTED:
        path = directory / f"{name}.schema.json"
        path.write_text(json_schema(name), encoding="utf-8")
        paths.append(path)
    return paths
