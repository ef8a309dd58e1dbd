"""A Kubernetes control plane of real programs, whose nodes and kubelets kwok plays."""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.request import Request, urlopen

import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from tests.deploy.control_plane.build import binaries
from tests.deploy.control_plane.certificates import Authority
from workers.local.ports import LOOPBACK, free_ports
from workers.local.process import ServerProcess
from workers.local.service import Service

_TOKEN: Final = "the-test-itself"  # noqa: S105 - of a server that only this machine reaches
_CONTROLLERS: Final = (
    "cronjob-controller",
    "deployment-controller",
    "disruption-controller",
    "garbage-collector-controller",
    "horizontal-pod-autoscaler-controller",
    "job-controller",
    "namespace-controller",
    "node-lifecycle-controller",
    "persistentvolume-binder-controller",
    "replicaset-controller",
    "serviceaccount-controller",
)
_GRACE_SECONDS: Final = 5
_ANSWER_SECONDS: Final = 30


class NotYetError(Exception):
    """The API server doesn't answer yet."""


class Cluster(Service):
    """etcd, API server, controller manager, scheduler and kwok, on free loopback ports.

    Args:
        left_alone: the `app.kubernetes.io/component` whose pods somebody else plays; kwok plays the rest.

    Attributes:
        authority: signs for servers that the API server speaks to, and knows its clients by.
    """

    def __init__(self, *, left_alone: str | None = None) -> None:
        self._home = TemporaryDirectory(prefix="rpbert-control-plane-")
        self._processes: list[ServerProcess] = []
        self._left_alone = left_alone
        self._server = ""
        self.authority = Authority()

    def start(self) -> None:
        """Starts all and waits until the API server is ready."""
        home = Path(self._home.name)
        client, peer, secure, kwok = free_ports(4)
        store = f"http://{LOOPBACK}:{client}"
        self._server = f"https://{LOOPBACK}:{secure}"
        self._write_files(home)
        own = f"--kubeconfig={self.kubeconfig}"
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
            # What it needs to pass requests on to another API server, such as KEDA's for its metrics.
            f"--requestheader-client-ca-file={home}/proxy/ca.crt",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={home}/proxy/tls.crt",
            f"--proxy-client-key-file={home}/proxy/tls.key",
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
            f"--config={home}/stages.yaml",
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

    def request(
        self, path: str, body: Any = None, *, method: str = "GET", kind: str = "application/json"
    ) -> Any:
        """What the API server answers, asked without the tenth of a second that kubectl takes.

        Args:
            path: such as `/api/v1/namespaces/default/pods`.
            body: sent as JSON.
            method: HTTP's.
            kind: media type of the body; the kind of a patch.

        Raises:
            urllib.error.HTTPError: it refuses.
        """
        headers = {"Authorization": f"Bearer {_TOKEN}", "Content-Type": kind}
        data = None if body is None else json.dumps(body).encode()
        asked = Request(f"{self._server}{path}", data, headers, method=method)  # noqa: S310 - our own server
        with urlopen(asked, timeout=_ANSWER_SECONDS, context=self._tls) as answer:  # noqa: S310 - the same
            return json.load(answer)

    def _command(self, *arguments: str) -> list[str]:
        return [str(binaries() / "kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments]

    @property
    def kubeconfig(self) -> Path:
        """How a client reaches it, with every right."""
        return Path(self._home.name) / "kubeconfig"

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        # The API server has made its certificate itself.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    def _launch(self, program: str, *options: str) -> None:
        home = Path(self._home.name)
        process = ServerProcess(program, [str(binaries() / program), *options], home / f"{program}.log")
        self._processes.append(process)
        process.launch()

    def _write_files(self, home: Path) -> None:
        (home / "tokens.csv").write_text(f'{_TOKEN},admin,admin,"system:masters"\n')
        key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        (home / "accounts.pem").write_bytes(pem)
        server = {"server": self._server, "insecure-skip-tls-verify": True}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": server}],
            "users": [{"name": "test", "user": {"token": _TOKEN}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        }
        self.kubeconfig.write_text(yaml.safe_dump(config))
        self.authority.issue(home / "proxy", "api-server")
        stages = list(yaml.safe_load_all((binaries() / "stages.yaml").read_text()))
        if self._left_alone is not None:
            others = {
                "key": '.metadata.labels["app.kubernetes.io/component"]',
                "operator": "NotIn",
                "values": [self._left_alone],
            }
            for stage in stages:
                if stage["spec"]["resourceRef"]["kind"] == "Pod":
                    stage["spec"]["selector"]["matchExpressions"].append(others)
        (home / "stages.yaml").write_text(yaml.safe_dump_all(stages))

    @retry(
        retry=retry_if_exception_type(NotYetError),
        stop=stop_after_delay(90),
        wait=wait_fixed(0.2),
        reraise=True,
    )
    def _wait_until_ready(self) -> None:
        if self.ask("get", "--raw=/readyz").returncode != 0:
            raise NotYetError(self._processes[-1].log_since_start[-2_000:])
