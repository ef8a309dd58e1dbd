import json
from pathlib import Path

import pytest

from schemas.export import EXPORTED, json_schema, write_all

COMMITTED = Path(__file__).parents[2] / "docs" / "schemas"


@pytest.mark.parametrize("name", EXPORTED)
def test_the_committed_schema_is_the_code_s(name: str) -> None:
    """When this fails: `rpbert schemas --out docs/schemas`, and commit what changed."""
    assert (COMMITTED / f"{name}.schema.json").read_text(encoding="utf-8") == json_schema(name)


@pytest.mark.parametrize("name", EXPORTED)
def test_every_field_is_described(name: str) -> None:
    schema = json.loads(json_schema(name))
    for owner in [schema, *schema.get("$defs", {}).values()]:
        for field, content in owner.get("properties", {}).items():
            assert content.get("description"), f"{owner['title']}.{field}"


def test_all_are_written(tmp_path: Path) -> None:
    assert {path.name for path in write_all(tmp_path / "new")} == {f"{name}.schema.json" for name in EXPORTED}
