"""What one object names, another is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlsplit

import pytest

from tests.deploy.manifests import DEPLOY, Manifests, Object, Pod
from tests.deploy.processes import processes
from tests.deploy.prometheus_rule import WRITTEN, prometheus_rule


def _selects(selector: Object, labels: Mapping[str, str]) -> bool:
    wanted = selector.get("matchLabels", {})
    listed = selector.get("matchExpressions", [])
    assert {each["operator"] for each in listed} <= {"In"}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        labels.get(each["key"]) in each["values"] for each in listed
    )


def _selected(overlay: Manifests, selector: Object) -> list[Pod]:
    return [pod for pod in overlay.pods() if _selects(selector, pod.labels)]


def _port_names(pod: Pod) -> set[str]:
    return {port["name"] for container in pod.containers for port in container.get("ports", [])}


def _secret_keys() -> dict[str, set[str]]:
    """The secrets that deploy/README.md asks people for, and their keys."""
    rows = [
        line.split("|") for line in (DEPLOY / "README.md").read_text().splitlines() if line.startswith("| `")
    ]
    return {
        cells[1].strip(" `"): {each.strip(" `") for each in cells[2].split(",")}
        for cells in rows
        if len(cells) == 5
    }


def _secrets_of(pod: Pod) -> Iterator[tuple[str, str | None]]:
    for container in pod.containers:
        for variable in container.get("env", []):
            if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                yield reference["name"], reference["key"]
        for source in container.get("envFrom", []):
            if "secretRef" in source:
                yield source["secretRef"]["name"], None
    for volume in pod.spec.get("volumes", []):
        for item in volume.get("secret", {}).get("items", []):
            yield volume["secret"]["secretName"], item["key"]


def _secrets_asked_for(overlay: Manifests) -> Iterator[tuple[str, str | None]]:
    for pod in overlay.pods():
        yield from _secrets_of(pod)
    for authentication in overlay.of("TriggerAuthentication"):
        for target in authentication["spec"]["secretTargetRef"]:
            yield target["name"], target["key"]


def test_secrets_are_made_here_or_by_strimzi_or_asked_for(overlay: Manifests) -> None:
    here = {each["metadata"]["name"]: set(each["data"]) for each in overlay.of("Secret")}
    strimzi = {name: {"password", "sasl.jaas.config"} for name in overlay.names("KafkaUser")}
    there = {**_secret_keys(), **strimzi, **here}
    missing = {
        (name, key)
        for name, key in _secrets_asked_for(overlay)
        if name not in there or (key is not None and key not in there[name])
    }
    assert missing == set()


def test_people_are_asked_for_no_secret_that_nothing_reads(production: Manifests) -> None:
    assert _secret_keys().keys() <= {name for name, _ in _secrets_asked_for(production)}


def test_config_maps_volumes_accounts_and_priorities(overlay: Manifests) -> None:
    maps = overlay.names("ConfigMap")
    for pod in overlay.pods():
        volumes = pod.spec.get("volumes", [])
        assert {each["configMap"]["name"] for each in volumes if "configMap" in each} <= maps
        claims = {
            each["persistentVolumeClaim"]["claimName"] for each in volumes if "persistentVolumeClaim" in each
        }
        assert claims <= overlay.names("PersistentVolumeClaim")
        assert pod.spec.get("serviceAccountName") in {*overlay.names("ServiceAccount"), None}
        assert pod.spec.get("priorityClassName") in {*overlay.names("PriorityClass"), None}
        named = {each["name"] for each in volumes}
        for container in pod.containers:
            sources = container.get("envFrom", [])
            assert {each["configMapRef"]["name"] for each in sources if "configMapRef" in each} <= maps
            assert {each["name"] for each in container.get("volumeMounts", [])} <= named


def test_services_lead_to_a_port_of_a_pod(overlay: Manifests) -> None:
    for service in overlay.of("Service"):
        selected = _selected(overlay, {"matchLabels": service["spec"]["selector"]})
        assert selected, service["metadata"]["name"]
        for port in service["spec"]["ports"]:
            assert all(port["targetPort"] in _port_names(pod) for pod in selected)


def test_selectors_select_a_pod(overlay: Manifests) -> None:
    for thing in overlay.of("Deployment", "PodDisruptionBudget", "PodMonitor"):
        assert _selected(overlay, thing["spec"]["selector"]), thing["metadata"]["name"]
    for policy in overlay.of("NetworkPolicy"):
        assert _selected(overlay, policy["spec"]["podSelector"]), policy["metadata"]["name"]
    for pod in overlay.pods():
        for spread in pod.spec.get("topologySpreadConstraints", []):
            assert _selects(spread["labelSelector"], pod.labels)


def test_pods_are_scraped_and_probed_at_ports_that_they_have(overlay: Manifests) -> None:
    for monitor in overlay.of("PodMonitor"):
        for pod in _selected(overlay, monitor["spec"]["selector"]):
            assert {each["port"] for each in monitor["spec"]["podMetricsEndpoints"]} <= _port_names(pod)
    for pod in overlay.pods():
        for container in pod.containers:
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                asked = container.get(probe, {})
                for way in ("httpGet", "tcpSocket"):
                    assert asked.get(way, {}).get("port") in {*_port_names(pod), None}


def test_the_autoscaler_scales_what_nothing_else_does(production: Manifests) -> None:
    (scaled,) = production.of("ScaledObject")
    target = production.one("Deployment", scaled["spec"]["scaleTargetRef"]["name"])
    assert "replicas" not in target["spec"]
    for trigger in scaled["spec"]["triggers"]:
        authentication = production.one("TriggerAuthentication", trigger["authenticationRef"]["name"])
        for reference in authentication["spec"]["configMapTargetRef"]:
            assert reference["key"] in production.one("ConfigMap", reference["name"])["data"]


def test_the_trainers_metrics_reach_prometheus(production: Manifests) -> None:
    (trainer,) = (each for each in processes(production) if each.name == "trainer/trainer")
    gateway = urlsplit(trainer.settings()["settings"].pushgateway)
    (port,) = production.one("Service", gateway.hostname or "")["spec"]["ports"]
    assert port["port"] == gateway.port
    (endpoint,) = production.one("PodMonitor", "pushgateway")["spec"]["podMetricsEndpoints"]
    assert port["targetPort"] == endpoint["port"]
    # Rules and dashboards know the trainer by its job.
    assert endpoint["honorLabels"] is True


@pytest.mark.parametrize(
    ("check", "kind", "name", "wrong"),
    [
        pytest.param(
            test_services_lead_to_a_port_of_a_pod,
            "Service",
            "redis",
            {"selector": {"app.kubernetes.io/component": "rediss"}},
            id="selector",
        ),
        pytest.param(
            test_services_lead_to_a_port_of_a_pod,
            "Service",
            "viewer",
            {"ports": [{"port": 80, "targetPort": "web"}]},
            id="port",
        ),
        pytest.param(
            test_secrets_are_made_here_or_by_strimzi_or_asked_for,
            "TriggerAuthentication",
            "kafka",
            {"secretTargetRef": [{"parameter": "ca", "name": "kafka-ca", "key": "ca.crt"}]},
            id="secret",
        ),
        pytest.param(
            test_the_trainers_metrics_reach_prometheus,
            "Service",
            "pushgateway",
            {"ports": [{"port": 9092, "targetPort": "metrics"}]},
            id="pushgateway",
        ),
        pytest.param(
            test_the_autoscaler_scales_what_nothing_else_does,
            "ScaledObject",
            "worker",
            {"scaleTargetRef": {"name": "workers"}},
            id="scale-target",
        ),
    ],
)
def test_a_reference_that_leads_nowhere_is_found(
    production: Manifests, check: Callable[[Manifests], None], kind: str, name: str, wrong: Object
) -> None:
    copy = Manifests([dict(each) for each in production.objects])
    thing = copy.one(kind, name)
    thing["spec"] = {**thing["spec"], **wrong}
    with pytest.raises((AssertionError, ValueError)):
        check(copy)


def test_the_operators_rules_are_those_that_promtool_tests() -> None:
    assert WRITTEN.read_text() == prometheus_rule(), "run: python -m tests.deploy.prometheus_rule"


def test_every_dashboard_is_in_a_config_map(production: Manifests) -> None:
    labelled = [
        each
        for each in production.of("ConfigMap")
        if each["metadata"].get("labels", {}).get("grafana_dashboard") == "1"
    ]
    there = {name for each in labelled for name in each["data"]}
    assert there == {path.name for path in (DEPLOY / "grafana" / "dashboards").glob("*.json")}
