"""One node of Apache Kafka, broker and controller at once."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.errors import KafkaError
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from workers.local.errors import LocalServiceError, PortTakenError
from workers.local.kafka_config import JAVA_OPTIONS, LOG4J_PROPERTIES, broker_properties, java_command
from workers.local.ports import LOOPBACK, accepts
from workers.local.process import ServerProcess

# Seconds that a start may take: 2 on an idle machine, and far more beside a training run.
START_TIMEOUT_S = 90.0
STOP_GRACE_S = 20.0
# Somebody else's server on our port may take the connection and never answer.
_ASK_TIMEOUT_MS = 3_000

_PORT_TAKEN = re.compile(r"Address already in use|Failed to bind|BindException")
_TELLING = re.compile(r"ERROR|FATAL|Exception|cannot run")


class _NotReady(Exception):
    """The broker does not answer yet."""


class KafkaBroker:
    """One broker that can be stopped, killed and started again on the same port and data.

    Attributes:
        node_id: Its number in the cluster, from 1.
        port: Its port on 127.0.0.1.
        log_path: The file that it logs to.
    """

    def __init__(
        self,
        *,
        java: Path,
        classpath: Sequence[Path],
        directory: Path,
        node_id: int,
        port: int,
        controllers: Mapping[int, int],
        overrides: Mapping[str, str],
    ) -> None:
        self.node_id = node_id
        self.port = port
        self.log_path = directory / "broker.log"
        self._data = directory / "data"
        self._properties = directory / "broker.properties"
        directory.mkdir(parents=True, exist_ok=True)
        logging = directory / "log4j2.properties"
        logging.write_text(LOG4J_PROPERTIES, encoding="utf-8")
        self._properties.write_text(
            broker_properties(node_id, port, controllers, self._data, overrides), encoding="utf-8"
        )
        self._java = java_command(
            java, classpath, [*JAVA_OPTIONS, f"-Dlog4j2.configurationFile={logging.as_uri()}"]
        )
        self._process = ServerProcess(
            f"Apache Kafka broker {node_id}",
            [*self._java, "kafka.Kafka", str(self._properties)],
            self.log_path,
        )

    @property
    def bootstrap_server(self) -> str:
        """Its address, `127.0.0.1:port`."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self._process.running

    @property
    def pid(self) -> int:
        """The process id of its Java machine."""
        return self._process.pid

    def format(self, cluster_id: str) -> None:
        """Prepares its log directory with Kafka's own StorageTool, unless that was done before.

        Raises:
            LocalServiceError: The tool refused.
        """
        if (self._data / "meta.properties").exists():
            return
        tool = ["kafka.tools.StorageTool", "format", "--cluster-id", cluster_id]
        run = subprocess.run(  # noqa: S603 - a command of ours, no shell
            [*self._java, *tool, "--config", str(self._properties)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=START_TIMEOUT_S,
        )
        if run.returncode != 0:
            raise LocalServiceError(
                f"Apache Kafka cannot prepare {self._data}: {_last_telling_line(run.stdout + run.stderr)}"
            )

    def start(self) -> None:
        """Starts it and waits until it answers.

        Raises:
            LocalServiceError: It ended or did not answer in time.
        """
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Starts its process and returns at once, as one of three must: alone it has no quorum."""
        self._process.launch()

    def wait_ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Waits until it describes a cluster in which it serves.

        Raises:
            PortTakenError: Another process has its port.
            LocalServiceError: It ended or did not answer in time.
        """
        waiting = Retrying(
            retry=retry_if_exception_type(_NotReady),
            stop=stop_after_delay(timeout_s),
            wait=wait_fixed(0.05),
            reraise=True,
        )
        try:
            waiting(self._check_ready)
        except _NotReady:
            raise LocalServiceError(
                f"Apache Kafka broker {self.node_id} did not answer within {timeout_s:.0f} s: "
                f"see {self.log_path}"
            ) from None

    def stop(self, grace_s: float = STOP_GRACE_S) -> None:
        """Shuts it down in order (SIGTERM); kills it when it needs longer than `grace_s` seconds."""
        self._process.stop(grace_s)

    def kill(self) -> None:
        """Ends it at once (SIGKILL), as a crash would."""
        self._process.kill()

    def _check_ready(self) -> None:
        if not self._process.running:
            log = self._process.log_since_start
            if _PORT_TAKEN.search(log):
                raise PortTakenError(f"Port {self.port} for Apache Kafka was taken by another process")
            raise LocalServiceError(
                f"Apache Kafka broker {self.node_id} ended while starting: "
                f"{_last_telling_line(log)} (log: {self.log_path})"
            )
        if not accepts(self.port):
            raise _NotReady
        try:
            admin = KafkaAdminClient(
                bootstrap_servers=self.bootstrap_server,
                bootstrap_timeout_ms=_ASK_TIMEOUT_MS,
                request_timeout_ms=_ASK_TIMEOUT_MS,
            )
            try:
                described = admin.describe_cluster()
            finally:
                admin.close()
        except KafkaError as error:
            raise _NotReady from error
        if self.node_id not in {broker["broker_id"] for broker in described["brokers"]}:
            raise _NotReady


def _last_telling_line(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    telling = [line for line in lines if _TELLING.search(line) and not line.startswith("at ")]
    return (telling or lines or ["it logged nothing"])[-1]
