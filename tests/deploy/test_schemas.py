"""Every object is what its kind allows, with no field that it doesn't know."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft7Validator

from tests.deploy.manifests import ROOT, Manifests, Object

KUBERNETES_VERSION: Final = "1.34"
"""That of the control plane in `control_plane/go.mod`."""
_CRDS: Final = ROOT / "tests" / "deploy" / "crds"


def _is_custom(thing: Object) -> bool:
    group = thing["apiVersion"].rpartition("/")[0]
    return "." in group and not group.endswith(".k8s.io")


@cache
def _schemas() -> dict[tuple[str, str], Draft7Validator]:
    found = {}
    for path in _CRDS.glob("*.yaml"):
        for definition in yaml.safe_load_all(path.read_text()):
            spec = definition["spec"]
            for version in spec["versions"]:
                if version["served"]:
                    key = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
                    found[key] = Draft7Validator(_strict(version["schema"]["openAPIV3Schema"]))
    return found


def _strict(schema: Any) -> Any:
    """The schema with every field forbidden that it doesn't name, as in the API server's strict mode."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: _strict(value) for key, value in schema.items()}
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object" and not open_ended:
        strict["additionalProperties"] = False
        strict["properties"] = {key: _strict(value) for key, value in schema["properties"].items()}
    return strict


def _mistakes(thing: Object) -> list[str]:
    validator = _schemas()[thing["apiVersion"], thing["kind"]]
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(thing)]


def test_core_kinds(overlay: Manifests) -> None:
    for thing in overlay.objects:
        if not _is_custom(thing):
            kubernetes_validate.validate(thing, KUBERNETES_VERSION, strict=True)


def test_custom_kinds(overlay: Manifests) -> None:
    mistakes = {
        f"{thing['kind']}/{thing['metadata']['name']}": found
        for thing in overlay.objects
        if _is_custom(thing) and (found := _mistakes(thing))
    }
    assert mistakes == {}


@pytest.mark.parametrize(
    ("kind", "name", "path"),
    [
        ("ScaledObject", "worker", ("spec",)),
        ("PodMonitor", "worker", ("spec", "podMetricsEndpoints", 0)),
        ("KafkaUser", "rpbert-worker", ("spec", "authorization", "acls", 0)),
    ],
    ids=["ScaledObject", "PodMonitor", "KafkaUser"],
)
def test_a_misspelt_field_is_found(
    production: Manifests, kind: str, name: str, path: tuple[str | int, ...]
) -> None:
    thing = yaml.safe_load(yaml.safe_dump(production.one(kind, name)))
    inner = thing
    for step in path:
        inner = inner[step]
    inner["mispelt"] = 1
    assert any("mispelt" in each for each in _mistakes(thing))
