"""KEDA itself, operator and metrics adapter, on a control plane of this machine."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Final

from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from tests.deploy.control_plane.build import keda_binaries
from tests.deploy.control_plane.cluster import Cluster
from workers.local.ports import LOOPBACK, free_ports
from workers.local.process import ServerProcess
from workers.local.service import Service

CRDS: Final = "crds.yaml"
_NAMESPACE: Final = "keda"
_SERVICE: Final = "keda-metrics-apiserver"
_API: Final = "v1beta1.external.metrics.k8s.io"
_START_SECONDS: Final = 120
_GRACE_SECONDS: Final = 10


class Keda(Service):
    """Both processes, which the API server reaches under the name of KEDA's own Service.

    Args:
        cluster: a running one, with KEDA's kinds.
        directory: for certificates and logs.
    """

    def __init__(self, cluster: Cluster, directory: Path) -> None:
        self._cluster = cluster
        self._directory = directory
        self._processes: list[ServerProcess] = []

    def start(self) -> None:
        """Starts both and waits until the API server serves KEDA's metrics."""
        hosts = (f"{_SERVICE}.{_NAMESPACE}.svc",)
        keys = self._cluster.authority.issue(self._directory / "keda", "keda", hosts=hosts)
        health, metrics, secure, port = free_ports(4)
        self._launch(
            "operator",
            f"--kubeconfig={self._cluster.kubeconfig}",
            f"--cert-dir={keys}",
            "--metrics-bind-address=0",
            f"--health-probe-bind-address={LOOPBACK}:{health}",
            f"--metrics-service-bind-address={LOOPBACK}:{metrics}",
            "--zap-log-level=info",
        )
        self._launch(
            "adapter",
            f"--authentication-kubeconfig={self._cluster.kubeconfig}",
            f"--authorization-kubeconfig={self._cluster.kubeconfig}",
            f"--lister-kubeconfig={self._cluster.kubeconfig}",
            f"--bind-address={LOOPBACK}",
            f"--secure-port={secure}",
            f"--port={port}",
            f"--metrics-service-address=localhost:{metrics}",
            f"--cert-dir={keys}",
            f"--client-ca-file={keys}/ca.crt",
            f"--tls-cert-file={keys}/tls.crt",
            f"--tls-private-key-file={keys}/tls.key",
        )
        self._register(secure)
        self._wait_until_available()

    def close(self) -> None:
        """Ends both."""
        for process in reversed(self._processes):
            process.stop(_GRACE_SECONDS)

    def _launch(self, program: str, *options: str) -> None:
        environment = {
            **os.environ,
            "KUBECONFIG": str(self._cluster.kubeconfig),
            "POD_NAMESPACE": _NAMESPACE,
            "KEDA_CLUSTER_OBJECT_NAMESPACE": _NAMESPACE,
            "WATCH_NAMESPACE": "",
        }
        process = ServerProcess(
            f"KEDA's {program}",
            [str(keda_binaries() / program), *options],
            self._directory / f"keda-{program}.log",
            environment=environment,
        )
        self._processes.append(process)
        process.launch()

    def _register(self, port: int) -> None:
        authority = base64.b64encode(self._cluster.authority.pem.encode()).decode()
        self._cluster.apply(
            [
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _NAMESPACE}},
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "metadata": {"name": _SERVICE, "namespace": _NAMESPACE},
                    # In a cluster the Service leads to a pod; here there is none.
                    "spec": {"type": "ExternalName", "externalName": "localhost"},
                },
                {
                    "apiVersion": "apiregistration.k8s.io/v1",
                    "kind": "APIService",
                    "metadata": {"name": _API},
                    "spec": {
                        "group": "external.metrics.k8s.io",
                        "version": "v1beta1",
                        "service": {"name": _SERVICE, "namespace": _NAMESPACE, "port": port},
                        "caBundle": authority,
                        "groupPriorityMinimum": 100,
                        "versionPriority": 100,
                    },
                },
            ]
        )

    @retry(
        retry=retry_if_result(lambda available: not available),
        stop=stop_after_delay(_START_SECONDS),
        wait=wait_fixed(0.5),
    )
    def _wait_until_available(self) -> bool:
        for process in self._processes:
            assert process.running, process.log_since_start[-2_000:]
        status = self._cluster.get("apiservice", _API).get("status", {})
        return any(
            each["type"] == "Available" and each["status"] == "True" for each in status.get("conditions", ())
        )
