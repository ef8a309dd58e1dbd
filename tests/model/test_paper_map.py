"""`docs/paper.md` names files, classes and functions; none of them may be gone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAPER = ROOT / "docs" / "paper.md"
_FILE = re.compile(r"[\w/]+\.py")
_NAME = re.compile(r"[A-Za-z_]\w*(\.\w+)?")


def references() -> list[tuple[str, str]]:
    """(file, name) of each `name` behind a `file.py`:, and (file, "") of each file."""
    found = []
    for line in PAPER.read_text(encoding="utf-8").splitlines():
        file, listing = "", False
        for match in re.finditer(r"`([^`]+)`([^`]*)", line):
            quoted, behind = match.groups()
            if _FILE.fullmatch(quoted):
                file, listing = quoted, behind.startswith(":")
                found.append((file, ""))
            elif listing and _NAME.fullmatch(quoted):
                found.append((file, quoted))
                listing = behind.strip() == ","
    return found


def names(body: list[ast.stmt], prefix: str = "") -> Iterator[str]:
    """Functions, classes, their methods, fields and attributes, and constants of a module."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield prefix + node.name
            yield from names(node.body, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef):
            yield prefix + node.name
            if prefix:
                yield from (
                    prefix + inner.attr
                    for inner in ast.walk(node)
                    if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store)
                )
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (prefix + target.id for target in targets if isinstance(target, ast.Name))


@pytest.mark.parametrize(("file", "name"), sorted(set(references())))
def test_what_the_map_names_is_there(file: str, name: str) -> None:
    path = ROOT / file
    assert path.is_file(), f"docs/paper.md names {file}, which is gone"
    if name:
        known = set(names(ast.parse(path.read_text(encoding="utf-8")).body))
        assert name in known, f"docs/paper.md names {name} of {file}, which is gone"


def test_the_map_is_read_whole() -> None:
    found = references()
    assert ("model/gates.py", "straight_through") in found
    assert ("model/config.py", "TaggerConfig.word_vector") in found
    assert len(found) > 60


def test_its_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)]+)\)", PAPER.read_text(encoding="utf-8")):
        assert link.startswith("https://") or (PAPER.parent / link).is_file(), link
