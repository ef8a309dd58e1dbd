"""The overlays on a real API server, controllers and scheduler, on nodes that kwok plays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.deploy.control_plane.build import binaries
from tests.deploy.control_plane.cluster import Cluster
from tests.deploy.control_plane.furniture import furnish
from tests.deploy.manifests import OVERLAYS, ROOT, Manifests, Object, manifests
from tests.docs.commands import shown

_WORKERS: Final = 3
_SELECTOR: Final = "--selector=app.kubernetes.io/component=worker"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A control plane with the custom kinds, nodes and volumes that the overlays need."""
    if not binaries().exists():
        pytest.skip("the control plane isn't built: `make check-deploy` does, with Go 1.24 or later")
    with Cluster() as running:
        furnish(running)
        yield running


@pytest.fixture(scope="module", params=OVERLAYS)
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> str:
    """Each overlay, applied to a namespace of its own."""
    return _apply(cluster, request.param)


@pytest.fixture(scope="module")
def production(cluster: Cluster) -> str:
    """The namespace of the production overlay, with some workers."""
    namespace = _apply(cluster, "production")
    # No KEDA runs here, which alone says how many there are.
    cluster.kubectl("scale", "deployment/worker", f"--replicas={_WORKERS}", f"--namespace={namespace}")
    _rolled_out(cluster, namespace, "worker")
    return namespace


def _apply(cluster: Cluster, overlay: str) -> str:
    namespace = f"rpbert-{overlay}"
    cluster.apply([_moved(each, namespace) for each in manifests(overlay).objects])
    return namespace


def _moved(thing: Object, namespace: str) -> Object:
    metadata = dict(thing["metadata"])
    if thing["kind"] == "Namespace":
        metadata["name"] = namespace
    elif "namespace" in metadata:
        metadata["namespace"] = namespace
    return {**thing, "metadata": metadata}


def _rolled_out(cluster: Cluster, namespace: str, deployment: str) -> None:
    cluster.kubectl(
        "rollout", "status", f"deployment/{deployment}", f"--namespace={namespace}", "--timeout=120s"
    )


def _pods(cluster: Cluster, namespace: str) -> list[Any]:
    found = cluster.get("pods", _SELECTOR, f"--namespace={namespace}")["items"]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def _evict(cluster: Cluster, namespace: str, pod: str) -> str:
    """Empty if the eviction is let through."""
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": namespace},
    }
    path = f"--raw=/api/v1/namespaces/{namespace}/pods/{pod}/eviction"
    done = cluster.ask("create", path, "--filename=-", given=json.dumps(eviction))
    return done.stderr if done.returncode else ""


def test_the_api_server_takes_every_object_and_every_pod_runs(cluster: Cluster, namespace: str) -> None:
    # Under the restricted standard, which the namespace enforces: a pod that asks for more is never made.
    for deployment in cluster.get("deployments", f"--namespace={namespace}")["items"]:
        _rolled_out(cluster, namespace, deployment["metadata"]["name"])


def test_applied_again_an_overlay_changes_nothing(cluster: Cluster, namespace: str) -> None:
    deployments = ("deployments", f"--namespace={namespace}")
    before = {
        each["metadata"]["name"]: each["metadata"]["generation"]
        for each in cluster.get(*deployments)["items"]
    }
    _apply(cluster, namespace.removeprefix("rpbert-"))
    after = {
        each["metadata"]["name"]: each["metadata"]["generation"]
        for each in cluster.get(*deployments)["items"]
    }
    assert after == before


def test_a_pod_that_asks_for_more_is_refused(cluster: Cluster, production: str) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "greedy", "namespace": production},
        "spec": {"hostNetwork": True, "containers": [{"name": "greedy", "image": "any"}]},
    }
    done = cluster.ask("create", "--filename=-", given=json.dumps(pod))
    assert "violates PodSecurity" in done.stderr


@pytest.mark.parametrize("kind", ["ScaledObject", "KafkaTopic", "PodMonitor", "Deployment"])
def test_a_misspelt_field_is_refused_by_its_name(cluster: Cluster, kind: str) -> None:
    rendered: Manifests = manifests("production")
    thing = yaml.safe_load(yaml.safe_dump(_moved(rendered.of(kind)[0], "default")))
    thing["spec"]["mispelt"] = 1
    done = cluster.ask(
        "apply",
        "--server-side",
        "--validate=strict",
        "--dry-run=server",
        "--filename=-",
        given=yaml.safe_dump(thing),
    )
    assert "mispelt" in done.stderr


def test_workers_stand_on_nodes_with_a_gpu(cluster: Cluster, production: str) -> None:
    nodes = [pod["spec"]["nodeName"] for pod in _pods(cluster, production)]
    assert len(nodes) == _WORKERS
    # Spread over both.
    assert set(nodes) == {"gpu-0", "gpu-1"}


def test_a_new_setting_rolls_the_workers(cluster: Cluster, production: str) -> None:
    before = {pod["metadata"]["name"] for pod in _pods(cluster, production)}
    variable = "RPBERT_BATCH_POSTS=32"
    cluster.kubectl("set", "env", "deployment/worker", variable, f"--namespace={production}")
    _rolled_out(cluster, production, "worker")
    after = {pod["metadata"]["name"] for pod in _pods(cluster, production)}
    assert len(after) == _WORKERS
    assert not before & after


def test_one_worker_may_be_evicted_and_no_second(cluster: Cluster, production: str) -> None:
    first, second, *_ = [pod["metadata"]["name"] for pod in _pods(cluster, production)]
    # Nothing may take the place of the first.
    cluster.kubectl("cordon", "gpu-0", "gpu-1")
    try:
        assert _evict(cluster, production, first) == ""
        assert "disruption budget" in _evict(cluster, production, second)
    finally:
        cluster.kubectl("uncordon", "gpu-0", "gpu-1")
    _rolled_out(cluster, production, "worker")


def test_the_trainer_runs_by_the_clock(cluster: Cluster, production: str) -> None:
    every_minute = json.dumps({"spec": {"schedule": "* * * * *"}})
    cluster.kubectl("patch", "cronjob/trainer", f"--patch={every_minute}", f"--namespace={production}")
    job = cluster.first("jobs", f"--namespace={production}")
    assert job.startswith("job.batch/trainer-")
    cluster.kubectl("wait", job, "--for=condition=complete", "--timeout=60s", f"--namespace={production}")


def test_the_commands_of_the_docs_apply_each_overlay(cluster: Cluster) -> None:
    commands = [command.words for command in shown() if command.begins("kubectl apply")]
    assert [Path(words[-1]).name for words in commands] == OVERLAYS
    for (_, *words), overlay in zip(commands, OVERLAYS, strict=True):
        told = cluster.kubectl(*words[:-1], str(ROOT / words[-1]))
        assert told.count("serverside-applied") == len(manifests(overlay).objects)
