"""Looks once a second at lag, replicas and outcomes while a run goes on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from threading import Event, Thread
from time import monotonic
from typing import Final
from urllib.error import HTTPError

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata
from pydantic import BaseModel, Field
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from tests.deploy.control_plane.cluster import Cluster

DEPLOYMENT: Final = "worker"
_HPA: Final = f"keda-hpa-{DEPLOYMENT}"
_EVERY_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 60.0


class Sample(BaseModel):
    """What there was at one moment."""

    at: float = Field(description="Seconds since the first look.")
    lag: int = Field(
        description="Offsets that the group has not committed, markers of transactions included."
    )
    wanted: int = Field(description="Replicas that the HorizontalPodAutoscaler asks for.")
    pods: int = Field(description="Pods of the Deployment that are not being deleted.")
    ready: int = Field(description="Of them, how many say that they are ready.")
    outcomes: int = Field(description="Posts with a committed result or dead letter so far.")


class Watch:
    """Samples on a thread of its own.

    Args:
        cluster: where the Deployment is.
        namespace: its.
        bootstrap_servers: a listener that shows every group.
        group: the workers'.
        topic: the topic of posts.
        partitions: how many it has.
        outcomes: tells how many there are.
    """

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        *,
        bootstrap_servers: str,
        group: str,
        topic: str,
        partitions: int,
        outcomes: Callable[[], int],
    ) -> None:
        self.samples: list[Sample] = []
        self.failure: BaseException | None = None
        self._cluster = cluster
        self._namespace = namespace
        self._servers = bootstrap_servers
        self._group = group
        self._places = [TopicPartition(topic, number) for number in range(partitions)]
        self._outcomes = outcomes
        self._began = monotonic()
        self._looked = Event()
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="watch", daemon=True)

    @property
    def now(self) -> float:
        """Seconds since the first look."""
        return monotonic() - self._began

    @property
    def last(self) -> Sample:
        """The newest sample."""
        return self.samples[-1]

    def start(self) -> None:
        """Look from now on; returns with the first sample.

        Raises:
            RuntimeError: there is none; the cause says why.
        """
        self._began = monotonic()
        self._thread.start()
        self._looked.wait()
        if self.failure is not None:
            raise RuntimeError("lag and replicas can't be looked at") from self.failure

    def close(self) -> None:
        """Look no more."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            with (
                closing(KafkaAdminClient(bootstrap_servers=self._servers)) as admin,
                # Its end offsets are those of the log, as KEDA takes them, open transactions and all.
                closing(KafkaConsumer(bootstrap_servers=self._servers)) as consumer,
            ):
                while True:
                    self.samples.append(self._sample(admin, consumer))
                    self._looked.set()
                    if self._stopping.wait(_EVERY_SECONDS):
                        break
        except BaseException as error:  # noqa: BLE001 - told by the run, which looks at it
            self.failure = error
        finally:
            self._looked.set()

    def _sample(self, admin: KafkaAdminClient, consumer: KafkaConsumer) -> Sample:
        committed = self._committed(admin)
        ends = consumer.end_offsets(self._places)
        status = self._cluster.request(f"{self._apps}/deployments/{DEPLOYMENT}")["status"]
        return Sample(
            at=round(self.now, 1),
            lag=sum(
                ends[each] - max(0, committed[each].offset) if each in committed else ends[each]
                for each in self._places
            ),
            wanted=self._wanted(),
            pods=status.get("replicas", 0),
            ready=status.get("readyReplicas", 0),
            outcomes=self._outcomes(),
        )

    # Before the group's first member no broker may hold its offsets yet.
    @retry(
        retry=retry_if_exception_type(KafkaError),
        stop=stop_after_delay(_PATIENCE_SECONDS),
        wait=wait_fixed(0.5),
        reraise=True,
    )
    def _committed(self, admin: KafkaAdminClient) -> dict[TopicPartition, OffsetAndMetadata]:
        found: dict[TopicPartition, OffsetAndMetadata] = admin.list_group_offsets(
            {self._group: self._places}
        )[self._group]
        return found

    def _wanted(self) -> int:
        path = f"/apis/autoscaling/v2/namespaces/{self._namespace}/horizontalpodautoscalers/{_HPA}"
        try:
            return int(self._cluster.request(path)["status"].get("desiredReplicas", 0))
        except HTTPError:
            # KEDA has not made it yet.
            return 0

    @property
    def _apps(self) -> str:
        return f"/apis/apps/v1/namespaces/{self._namespace}"
