"""Apache Kafka itself on loopback: one broker, or three that replicate."""

from __future__ import annotations

import base64
import shutil
import tempfile
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

from workers.local.errors import PortTakenError
from workers.local.jars import KAFKA_VERSION, kafka_classpath
from workers.local.java import java_executable
from workers.local.kafka_broker import KafkaBroker
from workers.local.ports import free_ports
from workers.local.progress import Progress, silent
from workers.local.service import Service

_PORT_ATTEMPTS = 5


class KafkaCluster(Service):
    """A cluster of one or three nodes, each broker and controller.

    With one broker every replication factor is 1; with three it is 3 and two replicas must be in sync.

    Args:
        brokers: One or three.
        data_dir: Where logs and data lie. Without it they are temporary and gone after `close()`.
        port: The port of the first broker; a free one by default.
        properties: Broker properties beside or instead of ours.
        progress: Told what takes time.
    """

    def __init__(
        self,
        brokers: Literal[1, 3] = 1,
        *,
        data_dir: Path | None = None,
        port: int | None = None,
        properties: Mapping[str, str] | None = None,
        progress: Progress = silent,
    ) -> None:
        self.brokers: list[KafkaBroker] = []
        self._size = brokers
        self._temporary = data_dir is None
        self._data_dir = data_dir
        self._port = port
        self._overrides = dict(properties or {})
        self._progress = progress

    @property
    def bootstrap_servers(self) -> str:
        """The brokers' addresses, separated by commas, as every Kafka client takes them."""
        return ",".join(broker.bootstrap_server for broker in self.brokers)

    @property
    def running(self) -> bool:
        """Whether every broker's process lives."""
        return bool(self.brokers) and all(broker.running for broker in self.brokers)

    def start(self) -> None:
        """Starts every broker that does not run and waits until all answer.

        The first start chooses the ports, a later one keeps them.

        Raises:
            LocalServiceError: Java or the jars are missing, or a broker did not come up.
        """
        if self.brokers:
            self._bring_up()
            return
        java, classpath = java_executable(), kafka_classpath(self._progress)
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            self._lay_out(java, classpath)
            try:
                self._bring_up()
            except PortTakenError:
                self.kill()
                if attempt == _PORT_ATTEMPTS or self._port is not None:
                    raise
            except BaseException:
                self.kill()
                raise
            else:
                return

    def stop(self) -> None:
        """Shuts all brokers down in order; the data stay."""
        # One after the other would leave the last two without a quorum to say goodbye to.
        with ThreadPoolExecutor(len(self.brokers) or 1) as pool:
            list(pool.map(KafkaBroker.stop, self.brokers))

    def kill(self) -> None:
        """Ends all brokers at once, as a power cut would; the data stay."""
        for broker in self.brokers:
            broker.kill()

    def close(self) -> None:
        """Ends all brokers; temporary data are deleted."""
        if not self._temporary:
            self.stop()
            return
        # Nobody will read these data again: an orderly shutdown would be lost time.
        self.kill()
        if self._data_dir is not None:
            shutil.rmtree(self._data_dir, ignore_errors=True)
            self._data_dir = None
        self.brokers = []

    def _lay_out(self, java: Path, classpath: list[Path]) -> None:
        if self._data_dir is None:
            self._data_dir = Path(tempfile.mkdtemp(prefix="rpbert-kafka-"))
        ports = free_ports(2 * self._size)
        clients, controllers = ports[: self._size], ports[self._size :]
        if self._port is not None:
            clients[0] = self._port
        nodes = range(1, self._size + 1)
        self.brokers = [
            KafkaBroker(
                java=java,
                classpath=classpath,
                directory=self._data_dir / f"broker-{node}",
                node_id=node,
                port=port,
                controllers=dict(zip(nodes, controllers, strict=True)),
                overrides=self._overrides,
            )
            for node, port in zip(nodes, clients, strict=True)
        ]

    def _bring_up(self) -> None:
        self._progress(f"Apache Kafka {KAFKA_VERSION}: starting {_count(self._size)}")
        cluster_id = self._cluster_id()
        with ThreadPoolExecutor(self._size) as pool:
            list(pool.map(lambda broker: broker.format(cluster_id), self.brokers))
        for broker in self.brokers:
            if not broker.running:
                broker.launch()
        for broker in self.brokers:
            broker.wait_ready()
        self._progress(f"Apache Kafka {KAFKA_VERSION}: ready on {self.bootstrap_servers}")

    def _cluster_id(self) -> str:
        assert self._data_dir is not None  # noqa: S101 - set by _lay_out, told to mypy
        file = self._data_dir / "cluster-id"
        if not file.exists():
            # Kafka's form of a UUID; its tool would take a leading dash for an option.
            encoded = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")
            file.write_text("A" + encoded[1:], encoding="ascii")
        return file.read_text(encoding="ascii")


def _count(brokers: int) -> str:
    return "one broker" if brokers == 1 else f"{brokers} brokers"
