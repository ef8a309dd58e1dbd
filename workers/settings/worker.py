"""Settings of a worker."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from cyclopts import Parameter
from pydantic import Field, model_validator

from workers.settings.base import Settings
from workers.settings.groups import BATCHES
from workers.settings.kafka import KafkaSettings
from workers.settings.pictures import PictureSettings
from workers.settings.releases import CandidateSettings, ModelSettings, RefreshSettings


class Delivery(StrEnum):
    """What a reader of the output topic may rely on."""

    EXACTLY_ONCE = "exactly_once"
    AT_LEAST_ONCE = "at_least_once"


@Parameter(name="*", group=BATCHES)
class BatchSettings(Settings):
    """How posts become batches."""

    batch_tokens: int = Field(
        4_096, ge=64, description="Padded tokens in a batch: longest post, text and pictures, times posts."
    )
    batch_posts: int = Field(64, ge=1, description="Posts in a batch.")
    batch_start_tokens: int = Field(
        100,
        ge=0,
        description="What a batch costs beside its tokens, in tokens: the more, the larger batches get and "
        "the more of them is padding.",
    )
    batch_wait_ms: float = Field(
        20,
        ge=0,
        le=10_000,
        description="Milliseconds a post may wait for batch mates that are in the worker; a lone post "
        "does not wait.",
    )


@Parameter(name="*")
class WorkerSettings(Settings):
    """Settings of `rpbert worker`."""

    kafka: KafkaSettings = KafkaSettings()
    model: ModelSettings = ModelSettings()
    pictures: PictureSettings = PictureSettings()
    batch: BatchSettings = BatchSettings()
    refresh: RefreshSettings = RefreshSettings()
    candidate: CandidateSettings = CandidateSettings()
    processes: int = Field(
        1,
        ge=1,
        le=64,
        description="Whole workers to run as one, each a process with its own consumer, transactions and "
        "copy of the model; for a device that one process can't feed.",
    )
    group_id: str = Field("rpbert-tagger", min_length=1, description="Consumer group shared by the workers.")
    group_instance_id: str | None = Field(
        None,
        description="Static member name, such as the pod's: a worker that crashed and is back in time keeps "
        "its partitions (KIP-345); unset for a dynamic member.",
    )
    auto_offset_reset: Literal["earliest", "latest"] = Field(
        "earliest",
        description="Where a partition without a committed offset begins; latest may pass over posts "
        "that came before a worker's first commit.",
    )
    delivery: Delivery = Field(
        Delivery.EXACTLY_ONCE, description="exactly-once by Kafka transactions, or at-least-once without."
    )
    commit_interval_ms: float = Field(
        150,
        ge=0,
        le=10_000,
        description="Milliseconds between commits; a third of it for a worker with nothing else in hand.",
    )
    transaction_timeout_ms: int = Field(
        15_000,
        ge=1_000,
        le=900_000,
        description="Milliseconds until the broker gives up a dead worker's transaction.",
    )
    max_in_flight: int = Field(
        1_024, ge=1, description="Posts between intake and commit; partitions are paused beyond it."
    )
    max_in_flight_bytes: int = Field(
        256 * 1024 * 1024,
        ge=1_048_576,
        description="Memory for posts between intake and commit, about; partitions are paused beyond it.",
    )
    session_timeout_ms: int = Field(
        45_000,
        ge=6_000,
        le=1_800_000,
        description="Milliseconds without a sign of life until a worker's partitions go to others.",
    )
    drain_timeout: float = Field(
        20,
        gt=0,
        description="Seconds to finish and commit posts in flight at shutdown or rebalance; less than two "
        "thirds of session_timeout_ms, for no sign of life is given meanwhile. Give a pod 15 more to end.",
    )
    otlp_endpoint: str | None = Field(
        None,
        min_length=1,
        description="OTLP/HTTP collector such as http://collector:4318 that takes a trace of each post; the "
        "standard OTEL_EXPORTER_OTLP_ENDPOINT does as well. Off if neither is set.",
    )
    metrics_host: str = Field("0.0.0.0", min_length=1, description="Address for metrics and health.")  # noqa: S104
    metrics_port: int = Field(
        9_400, ge=0, le=65_535, description="Port for /metrics and /health; 0 takes a free one."
    )

    @model_validator(mode="after")
    def _drains_within_the_session(self) -> WorkerSettings:
        # The last heartbeat may have been a while before the drain began.
        if self.drain_timeout * 1_000 > self.session_timeout_ms * 2 / 3:
            raise ValueError(
                f"drain_timeout {self.drain_timeout:g} s is more than two thirds of session_timeout_ms "
                f"{self.session_timeout_ms}: shorten the one or lengthen the other"
            )
        return self
