"""A Kubernetes control plane of real programs, whose nodes and kubelets kwok plays."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from tests.deploy.control_plane.build import binaries
from workers.local.ports import LOOPBACK, free_ports
from workers.local.process import ServerProcess
from workers.local.service import Service

_TOKEN: Final = "the-test-itself"  # noqa: S105 - of a server that only this machine reaches
_CONTROLLERS: Final = (
    "cronjob-controller",
    "deployment-controller",
    "disruption-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "node-lifecycle-controller",
    "persistentvolume-binder-controller",
    "replicaset-controller",
    "serviceaccount-controller",
)
_GRACE_SECONDS: Final = 5


class NotYetError(Exception):
    """The API server doesn't answer yet."""


class Cluster(Service):
    """etcd, API server, controller manager, scheduler and kwok, on free loopback ports."""

    def __init__(self) -> None:
        self._home = TemporaryDirectory(prefix="rpbert-control-plane-")
        self._processes: list[ServerProcess] = []

    def start(self) -> None:
        """Starts all and waits until the API server is ready."""
        home = Path(self._home.name)
        client, peer, secure, kwok = free_ports(4)
        store = f"http://{LOOPBACK}:{client}"
        self._write_files(home, f"https://{LOOPBACK}:{secure}")
        own = f"--kubeconfig={self._kubeconfig}"
        self._launch(
            "etcd",
            f"--data-dir={home}/etcd",
            f"--listen-client-urls={store}",
            f"--advertise-client-urls={store}",
            f"--listen-peer-urls=http://{LOOPBACK}:{peer}",
            # Nothing here need outlive a power cut.
            "--unsafe-no-fsync",
        )
        self._launch(
            "kube-apiserver",
            f"--etcd-servers={store}",
            f"--bind-address={LOOPBACK}",
            f"--secure-port={secure}",
            f"--cert-dir={home}/certificates",
            f"--token-auth-file={home}/tokens.csv",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/24",
            f"--service-account-issuer={store}",
            f"--service-account-key-file={home}/accounts.pem",
            f"--service-account-signing-key-file={home}/accounts.pem",
        )
        self._wait_until_ready()
        self._launch(
            "kube-controller-manager",
            own,
            f"--controllers={','.join(_CONTROLLERS)}",
            f"--service-account-private-key-file={home}/accounts.pem",
            "--leader-elect=false",
            "--secure-port=0",
        )
        self._launch("kube-scheduler", own, "--leader-elect=false", "--secure-port=0")
        self._launch(
            "kwok",
            own,
            "--manage-all-nodes",
            f"--config={binaries()}/stages.yaml",
            f"--server-address={LOOPBACK}:{kwok}",
        )

    def close(self) -> None:
        """Ends all, the last that was started first."""
        for process in reversed(self._processes):
            process.stop(_GRACE_SECONDS)
        self._home.cleanup()

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """What `kubectl` prints.

        Raises:
            AssertionError: it fails; the message is its own.
        """
        done = self.ask(*arguments, given=given)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ask(self, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """How `kubectl` ended, well or not."""
        return subprocess.run(
            self._command(*arguments), input=given, capture_output=True, text=True, check=False
        )

    def get(self, *arguments: str) -> Any:
        """What `kubectl get` finds."""
        return json.loads(self.kubectl("get", *arguments, "--output=json"))

    def first(self, *arguments: str) -> str:
        """Name of the first object that there is or comes to be, waited for."""
        command = self._command("get", *arguments, "--watch", "--output=name")
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
            assert watching.stdout is not None
            name = watching.stdout.readline().strip()
            watching.kill()
        return name

    def apply(self, things: Sequence[dict[str, Any]]) -> str:
        """Apply objects, every field checked by the server."""
        text = yaml.safe_dump_all(things)
        return self.kubectl("apply", "--server-side", "--validate=strict", "--filename=-", given=text)

    def _command(self, *arguments: str) -> list[str]:
        return [str(binaries() / "kubectl"), f"--kubeconfig={self._kubeconfig}", *arguments]

    @property
    def _kubeconfig(self) -> Path:
        return Path(self._home.name) / "kubeconfig"

    def _launch(self, program: str, *options: str) -> None:
        home = Path(self._home.name)
        process = ServerProcess(program, [str(binaries() / program), *options], home / f"{program}.log")
        self._processes.append(process)
        process.launch()

    def _write_files(self, home: Path, server: str) -> None:
        (home / "tokens.csv").write_text(f'{_TOKEN},admin,admin,"system:masters"\n')
        key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        (home / "accounts.pem").write_bytes(pem)
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": server, "insecure-skip-tls-verify": True}}],
            "users": [{"name": "test", "user": {"token": _TOKEN}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        }
        self._kubeconfig.write_text(yaml.safe_dump(config))

    @retry(
        retry=retry_if_exception_type(NotYetError),
        stop=stop_after_delay(90),
        wait=wait_fixed(0.2),
        reraise=True,
    )
    def _wait_until_ready(self) -> None:
        if self.ask("get", "--raw=/readyz").returncode != 0:
            raise NotYetError(self._processes[-1].log_since_start[-2_000:])
