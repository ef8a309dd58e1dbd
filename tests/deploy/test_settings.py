"""What the manifests tell our processes is what the code reads."""

from __future__ import annotations

import dataclasses

from tests.deploy.manifests import Manifests
from tests.deploy.processes import known_variables, processes, unknown
from workers.settings import WorkerSettings

# SIGTERM's drain, and the time to close the clients after it (see drain_timeout).
_TO_CLOSE_SECONDS = 15
_PORTS = {"worker/worker": "metrics_port", "viewer/viewer": "viewer_port"}


def _worker(overlay: Manifests) -> WorkerSettings:
    (worker,) = (each for each in processes(overlay) if each.name == "worker/worker")
    settings = worker.settings()["settings"]
    assert isinstance(settings, WorkerSettings)
    return settings


def test_every_variable_is_a_setting_that_its_process_reads(overlay: Manifests) -> None:
    assert unknown(list(processes(overlay))) == set()


def test_a_setting_that_the_code_calls_otherwise_is_found(production: Manifests) -> None:
    told = list(processes(production))
    own = [
        dataclasses.replace(each, own={**each.own, "RPBERT_GROUP_INSTANCE": "a"})
        if each.name == "worker/worker"
        else each
        for each in told
    ]
    shared = [
        dataclasses.replace(each, shared={**each.shared, "RPBERT_KAFKA_BROKERS": "a:1"}) for each in told
    ]
    assert unknown(own) == {"worker/worker: RPBERT_GROUP_INSTANCE"}
    assert unknown(shared) == {"RPBERT_KAFKA_BROKERS"}


def test_every_process_takes_what_it_is_told(overlay: Manifests) -> None:
    started = {each.name: each.settings() for each in processes(overlay)}
    assert {"worker/worker", "viewer/viewer", "trainer/trainer"} <= started.keys()


def test_variables_are_named_as_the_command_line_names_them() -> None:
    assert {"RPBERT_BOOTSTRAP_SERVERS", "RPBERT_GROUP_ID", "RPBERT_REDIS_URL"} <= known_variables(["worker"])


def test_a_worker_has_time_to_drain(overlay: Manifests) -> None:
    spec = overlay.pod("worker").spec
    drain = _worker(overlay).drain_timeout
    assert spec["terminationGracePeriodSeconds"] >= drain + _TO_CLOSE_SECONDS


def test_a_worker_is_a_static_member_by_the_name_of_its_pod(overlay: Manifests) -> None:
    (variable,) = (
        each for each in overlay.pod("worker").main["env"] if each["name"] == "RPBERT_GROUP_INSTANCE_ID"
    )
    assert variable["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}


def test_ports_are_those_that_the_process_opens(overlay: Manifests) -> None:
    opened = {
        told.name: getattr(told.settings()["settings"], _PORTS[told.name])
        for told in processes(overlay)
        if told.name in _PORTS
    }
    declared = {f"{pod.name}/{pod.name}": pod.main.get("ports", []) for pod in overlay.pods()}
    assert opened == {name: declared[name][0]["containerPort"] for name in opened}
    assert opened.keys() == _PORTS.keys()
