"""The alert rules as the Prometheus Operator takes them; `python -m` writes the file."""

from __future__ import annotations

from textwrap import indent
from typing import Final

from tests.deploy.manifests import DEPLOY, KUBERNETES

RULES: Final = DEPLOY / "prometheus" / "rules.yaml"
WRITTEN: Final = KUBERNETES / "components" / "monitoring" / "prometheus-rule.yaml"
_HEAD: Final = """\
# Written from deploy/prometheus/rules.yaml by `python -m tests.deploy.prometheus_rule`: kustomize can't put
# a file into an object.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: rpbert
spec:
"""


def prometheus_rule() -> str:
    """The file's text."""
    _, groups, rules = RULES.read_text().partition("groups:\n")
    return _HEAD + indent(groups + rules, "  ")


if __name__ == "__main__":
    WRITTEN.write_text(prometheus_rule())
