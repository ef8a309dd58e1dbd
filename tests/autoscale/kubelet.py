"""Plays the kubelet for the pods of the workers: each is a real worker process of this machine."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import Any, Final
from urllib.error import HTTPError

from tests.deploy.control_plane.cluster import Cluster
from tests.faults.stage import last_line
from workers.local.worker_process import WorkerProcess

COMPONENT: Final = "worker"
_LOOK_SECONDS: Final = 0.5
_NOT_FOUND: Final = 404
_TOO_MANY_REQUESTS: Final = 429

Object = dict[str, Any]


@dataclass
class _Running:
    pod: Object
    worker: WorkerProcess
    ready: bool = False
    ever_ready: bool = False
    ending: bool = False
    next_probe: float = 0.0
    failed_probes: int = 0

    def probe(self) -> bool:
        """Whether it is ready by its probe; until it is, it is asked at each look."""
        (container,) = self.pod["spec"]["containers"]
        probe = container["readinessProbe"]
        if self.ready and monotonic() < self.next_probe:
            return True
        self.next_probe = monotonic() + probe["periodSeconds"]
        self.failed_probes = 0 if self.worker.ready else self.failed_probes + 1
        return self.failed_probes < (probe["failureThreshold"] if self.ready else 1)


@dataclass
class Kubelet:
    """Starts a process for each pod that was scheduled, tells its readiness, ends it when the pod is deleted.

    The process has the variables of the pod's container, those of ConfigMaps, Secrets and the pod's own
    fields looked up as a kubelet does it, but for `instead`. It is ended by SIGTERM, within the pod's grace;
    only then is the pod gone. One that ends by itself is started again, as `restartPolicy: Always` has it.

    Attributes:
        cluster: where the pods are.
        namespace: theirs.
        instead: variables of this machine, such as where the release is.
        flags: more flags for each worker.
        directory: where the workers log.
        begun: how many were started.
        ended: of those that ended by themselves, what each said last.
        failed: pods whose process did not end in order, with its exit status.
        failure: why the pods are looked at no more, if they aren't.
    """

    cluster: Cluster
    namespace: str
    instead: Mapping[str, str]
    flags: Sequence[str]
    directory: Path
    begun: int = 0
    ended: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    failure: BaseException | None = None
    _pods: dict[str, _Running] = field(default_factory=dict)
    _stopping: Event = field(default_factory=Event)
    _enders: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(16))
    _thread: Thread | None = None

    def start(self) -> None:
        """Look at the pods from now on, on a thread of its own."""
        self._thread = Thread(target=self._run, name="kubelet", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End every process in order; the pods stay as they are."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        for name, running in list(self._pods.items()):
            if not running.ending:
                self._submit_end(name, running)
        self._enders.shutdown()

    @property
    def running(self) -> int:
        """How many processes there are, those included that start or end."""
        return len(self._pods)

    def _run(self) -> None:
        try:
            while not self._stopping.wait(_LOOK_SECONDS):
                self._look()
        except BaseException as error:  # noqa: BLE001 - told by the run, which looks at it
            self.failure = error

    def _look(self) -> None:
        path = f"{self._path}?labelSelector=app.kubernetes.io%2Fcomponent%3D{COMPONENT}"
        for pod in self.cluster.request(path)["items"]:
            name, deleted = pod["metadata"]["name"], "deletionTimestamp" in pod["metadata"]
            running = self._pods.get(name)
            if running is None:
                if deleted:
                    self._remove(pod)
                elif "nodeName" in pod["spec"]:
                    self._begin(name, pod)
            elif not running.ending:
                running.pod = pod
                if deleted:
                    self._submit_end(name, running)
                else:
                    self._tell(name, running)

    def _begin(self, name: str, pod: Object) -> None:
        (container,) = pod["spec"]["containers"]
        _, *arguments = container["args"]
        variables = {**self._shared(container), **self._own(container, pod), **self.instead}
        worker = WorkerProcess(
            [*arguments, *self.flags], self.directory / f"{name}.log", name=name, environment=variables
        ).launch()
        self._pods[name] = _Running(pod, worker)
        self.begun += 1

    def _tell(self, name: str, running: _Running) -> None:
        if not running.worker.running:
            running.worker.stop()
            self.ended.append(f"{name}, status {running.worker.exit_status}: {self._last_words(name)}")
            running.worker.launch()
        running.ready = running.probe()
        running.ever_ready |= running.ready
        # Others tell of it too: the controller of nodes, of pods whose node was silent.
        if running.ready != _told_ready(running.pod):
            self._patch_status(running.pod, ready=running.ready)

    def _submit_end(self, name: str, running: _Running) -> None:
        running.ending = True
        self._enders.submit(self._end, name, running).add_done_callback(self._note)

    def _note(self, done: Future[None]) -> None:
        self.failure = self.failure or done.exception()

    def _end(self, name: str, running: _Running) -> None:
        grace = running.pod["metadata"].get("deletionGracePeriodSeconds")
        running.worker.stop(grace or running.pod["spec"]["terminationGracePeriodSeconds"])
        # Told to end while Python still begins, it ends by the signal: it has nothing to finish.
        if running.worker.exit_status != 0 and running.ever_ready:
            self.failed.append(f"{name}, status {running.worker.exit_status}: {self._last_words(name)}")
        if "deletionTimestamp" in running.pod["metadata"]:
            self._remove(running.pod)
        self._pods.pop(name, None)

    def _last_words(self, name: str) -> str:
        return last_line(self.directory / f"{name}.log")

    def _remove(self, pod: Object) -> None:
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
        try:
            self.cluster.request(f"{self._path}/{pod['metadata']['name']}", body, method="DELETE")
        except HTTPError as error:
            if error.code != _NOT_FOUND:
                raise

    def _patch_status(self, pod: Object, *, ready: bool) -> None:
        status = "True" if ready else "False"
        conditions = [
            {"type": "Initialized", "status": "True"},
            {"type": "ContainersReady", "status": status},
            {"type": "Ready", "status": status},
        ]
        self.cluster.request(
            f"{self._path}/{pod['metadata']['name']}/status",
            {"status": {"phase": "Running", "conditions": conditions}},
            method="PATCH",
            kind="application/strategic-merge-patch+json",
        )

    @property
    def _path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods"

    def _shared(self, container: Object) -> dict[str, str]:
        found: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            if "configMapRef" in source:
                found |= self._config_map(source["configMapRef"]["name"])
            else:
                found |= self._secret(source["secretRef"]["name"])
        return found

    def _own(self, container: Object, pod: Object) -> dict[str, str]:
        found: dict[str, str] = {}
        for variable in container.get("env", ()):
            source = variable.get("valueFrom", {})
            if "secretKeyRef" in source:
                wanted = source["secretKeyRef"]
                found[variable["name"]] = self._secret(wanted["name"])[wanted["key"]]
            elif "fieldRef" in source:
                found[variable["name"]] = _field(pod, source["fieldRef"]["fieldPath"])
            elif "resourceFieldRef" in source:
                of, _, resource = source["resourceFieldRef"]["resource"].partition(".")
                found[variable["name"]] = container["resources"][of][resource]
            else:
                found[variable["name"]] = variable["value"]
        return found

    def _config_map(self, name: str) -> dict[str, str]:
        found = self.cluster.request(f"/api/v1/namespaces/{self.namespace}/configmaps/{name}")
        return dict(found.get("data", {}))

    def _secret(self, name: str) -> dict[str, str]:
        found = self.cluster.request(f"/api/v1/namespaces/{self.namespace}/secrets/{name}")
        return {key: base64.b64decode(value).decode() for key, value in found.get("data", {}).items()}


def evict(cluster: Cluster, namespace: str, pod: str) -> bool:
    """Ask for an eviction, as a drain of a node does; false where the disruption budget holds it back."""
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": namespace},
    }
    try:
        cluster.request(f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction", eviction, method="POST")
    except HTTPError as error:
        if error.code != _TOO_MANY_REQUESTS:
            raise
        return False
    return True


def _told_ready(pod: Object) -> bool:
    conditions = pod["status"].get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _field(pod: Object, path: str) -> str:
    found: Any = pod
    for part in path.split("."):
        found = found[part]
    return str(found)
