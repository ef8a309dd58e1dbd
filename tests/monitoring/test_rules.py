"""The alerts: each fires when it should and only then, and leads to a page that a person can follow."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from workers.cli import app
from workers.local.prometheus import promtool

PROMETHEUS: Final = Path(__file__).parents[2] / "deploy" / "prometheus"
RUNBOOKS: Final = PROMETHEUS.parent / "runbooks"
RULES: Final = PROMETHEUS / "rules.yaml"
TESTS: Final = sorted((PROMETHEUS / "tests").glob("*.yaml"))
ALERTS: Final[dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    for rule in group["rules"]
    if "alert" in rule
}


def cases() -> list[dict[str, Any]]:
    return [
        case
        for file in TESTS
        for test in yaml.safe_load(file.read_text("utf-8"))["tests"]
        for case in test["alert_rule_test"]
    ]


def test_prometheus_takes_the_rules() -> None:
    checked = promtool(["check", "rules", "--lint=all", "--lint-fatal", str(RULES)])
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_alerts_fire_when_they_should_and_only_then(file: Path) -> None:
    tested = promtool(["test", "rules", str(file)])
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_a_case_that_fires_and_one_that_stays_quiet(alert: str) -> None:
    fires = {bool(case["exp_alerts"]) for case in cases() if case["alertname"] == alert}
    assert fires == {True, False}


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_what_is_wrong_and_leads_to_its_page(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert {"summary", "description", "runbook_url"} <= set(rule["annotations"])
    runbook = PROMETHEUS.parents[1] / rule["annotations"]["runbook_url"]
    text = runbook.read_text("utf-8")
    for part in ("**Users notice**", "**Find out**", "**Mend**", "**Over**"):
        assert part in text, f"{runbook.name} has no {part}"
    (row,) = [
        line for line in (RUNBOOKS / "README.md").read_text("utf-8").splitlines() if f"`{alert}`" in line
    ]
    assert f"({runbook.name})" in row


def test_every_runbook_is_some_alert_s() -> None:
    linked = {Path(rule["annotations"]["runbook_url"]).name for rule in ALERTS.values()}
    assert {page.name for page in RUNBOOKS.glob("*.md")} == linked | {"README.md"}


def commands() -> list[str]:
    text = "\n".join(page.read_text("utf-8") for page in RUNBOOKS.glob("*.md"))
    found = re.findall(r"^rpbert .+$", text, re.MULTILINE) + re.findall(r"`(rpbert [^`]+)`", text)
    return sorted({command.split(" | ")[0] for command in found})


@pytest.mark.parametrize("command", commands())
def test_a_command_of_a_runbook_is_one_that_there_is(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corrections.jsonl").touch()
    app.parse_args(shlex.split(command)[1:], exit_on_error=False, print_error=False)
