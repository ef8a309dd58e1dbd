"""The compose file: by its schema, and by what it names."""

from __future__ import annotations

import json
from typing import Final

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.deploy.manifests import DEPLOY, ROOT, Manifests, Object, manifests
from tests.deploy.processes import OURS, Process, unknown

_SCHEMA: Final = ROOT / "tests" / "deploy" / "compose-spec.json"


@pytest.fixture(scope="module")
def compose() -> Object:
    """The file, its anchors resolved."""
    loaded: Object = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return loaded


def _processes(compose: Object) -> list[Process]:
    commands = {"worker": ["worker"], "viewer": ["viewer"]}
    return [
        Process(name, service.get("command", commands.get(name)), service["environment"], {})
        for name, service in compose["services"].items()
        if service["image"].startswith(OURS)
    ]


def test_the_schema(compose: Object) -> None:
    validator = Draft202012Validator(json.loads(_SCHEMA.read_text()))
    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(compose)] == []


def test_services_take_what_they_are_told(compose: Object) -> None:
    told = _processes(compose)
    # The topics' command is given all of what the others share.
    assert unknown([each for each in told if each.name != "topics"]) == set()
    for each in told:
        each.settings()


def test_services_wait_for_services_that_are_there(compose: Object) -> None:
    services = compose["services"]
    assert {name for each in services.values() for name in each.get("depends_on", [])} <= services.keys()


def test_what_is_mounted_is_there(compose: Object) -> None:
    mounted = {
        mount.partition(":")[0]
        for service in compose["services"].values()
        for mount in service.get("volumes", [])
    }
    assert {each for each in mounted if not (DEPLOY / each).exists()} == set()


def test_images_are_those_of_kubernetes(compose: Object) -> None:
    local: Manifests = manifests("local")
    there = {container["image"] for pod in local.pods() for container in pod.containers}
    for name in ("kafka", "redis", "worker", "viewer", "topics"):
        assert compose["services"][name]["image"] in there
    (gateway,) = manifests("production").pod("pushgateway").containers
    assert compose["services"]["pushgateway"]["image"] == gateway["image"]


def test_what_is_scraped_is_there(compose: Object) -> None:
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "compose.yaml").read_text())["scrape_configs"]
    jobs = {each["job_name"]: each["static_configs"][0]["targets"] for each in scraped}
    assert jobs == {"worker": ["worker:9400"], "pushgateway": ["pushgateway:9091"]}
    assert {target.partition(":")[0] for targets in jobs.values() for target in targets} <= compose[
        "services"
    ].keys()


def test_nothing_is_open_to_other_machines(compose: Object) -> None:
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
