"""Apache Kafka, Valkey and a picture host together, for the demo, the developer and the tests."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from workers.local.kafka import KafkaCluster
from workers.local.picture_host import PictureHost
from workers.local.progress import Progress, silent
from workers.local.valkey import ValkeyServer


class LocalServices:
    """All three services, started together and stopped in reverse order.

    ```
    with LocalServices.start(progress=print) as services:
        services.kafka.bootstrap_servers, services.valkey.url, services.pictures.url_of("cat.jpg")
    ```

    Nothing is created in Kafka; the picture host is empty.

    Attributes:
        kafka: The cluster.
        valkey: The cache.
        pictures: The picture host.
    """

    def __init__(self, kafka: KafkaCluster, valkey: ValkeyServer, pictures: PictureHost) -> None:
        self.kafka = kafka
        self.valkey = valkey
        self.pictures = pictures
        self._running = ExitStack()

    @classmethod
    def start(
        cls,
        *,
        brokers: Literal[1, 3] = 1,
        data_dir: Path | None = None,
        kafka_port: int | None = None,
        valkey_port: int | None = None,
        kafka_properties: Mapping[str, str] | None = None,
        progress: Progress = silent,
    ) -> Self:
        """Starts the three; when one cannot start, the others are stopped.

        Args:
            brokers: How many Kafka brokers, one or three.
            data_dir: Where Kafka keeps its data; temporary by default.
            kafka_port: The first broker's port; free ones by default.
            valkey_port: Valkey's port; a free one by default.
            kafka_properties: Broker properties beside or instead of ours.
            progress: Told what takes time, in this thread.

        Raises:
            LocalServiceError: Which service is missing and what to do, in one sentence.
        """
        services = cls(
            KafkaCluster(
                brokers, data_dir=data_dir, port=kafka_port, properties=kafka_properties, progress=progress
            ),
            ValkeyServer(port=valkey_port, progress=progress),
            PictureHost(),
        )
        # Valkey and the pictures are there in a blink; a thread to start them beside Kafka would save
        # nothing and make Ctrl-C during the start harder to get right.
        with ExitStack() as starting:
            starting.enter_context(services.valkey)
            starting.enter_context(services.pictures)
            starting.enter_context(services.kafka)
            services._running = starting.pop_all()
        return services

    def close(self) -> None:
        """Stops everything that was started, Kafka first."""
        self._running.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
