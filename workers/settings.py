"""Every setting of every process, typed, in one place.

A field is a flag (`--bootstrap-servers`) and an environment variable (`RPBERT_BOOTSTRAP_SERVERS`); the flag
wins. Names are those of the Kafka and Redis clients where they have one.
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from cyclopts import Parameter
from pydantic import (
    AnyHttpUrl,
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
    StringConstraints,
    model_validator,
)

# What a header's value may hold: nothing that ends its line (RFC 9110, 5.5).
_HEADER_TEXT: Final = r"^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$"

HostName = Annotated[
    str,
    StringConstraints(
        to_lower=True, pattern=r"^(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z_](?:[A-Za-z0-9_-]{0,62})$", max_length=253
    ),
]
"""A host's name, punycode for one in another script; an address is no name, `allow_network` takes it."""


class Delivery(StrEnum):
    """What a reader of the output topic may rely on."""

    EXACTLY_ONCE = "exactly_once"
    AT_LEAST_ONCE = "at_least_once"


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


@Parameter(name="*")
class KafkaSettings(_Settings):
    """How to reach Kafka, and the names of the topics."""

    bootstrap_servers: str = Field(
        "localhost:9092", min_length=1, description="Kafka brokers, host:port, separated by commas."
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to speak to the brokers."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="SASL mechanism, with a SASL_ security protocol."
    )
    sasl_username: str | None = Field(None, description="SASL user name.")
    sasl_password: SecretStr | None = Field(
        None, description="SASL password; better given by the environment than as a flag."
    )
    ssl_cafile: Path | None = Field(None, description="PEM file of the authorities to trust.")
    ssl_certfile: Path | None = Field(None, description="PEM file of the client's certificate.")
    ssl_keyfile: Path | None = Field(None, description="PEM file of the client's key.")
    ssl_password: SecretStr | None = Field(None, description="Password of the client's key.")
    client_id: str = Field(
        "rpbert", min_length=1, description="Client id shown in the brokers' logs and quotas."
    )
    input_topic: str = Field("posts.raw", min_length=1, description="Topic of the posts to tag.")
    output_topic: str = Field("posts.entities", min_length=1, description="Topic of the results.")
    dead_letter_topic: str = Field(
        "posts.dlq", min_length=1, description="Topic of the records that can't become a result."
    )
    release_topic: str = Field(
        "models.releases", min_length=1, description="Topic that says which release each channel serves."
    )
    annotation_topic: str = Field(
        "posts.annotations", min_length=1, description="Topic of the posts that people have annotated."
    )

    @model_validator(mode="after")
    def _sasl_is_whole(self) -> KafkaSettings:
        sasl = self.security_protocol.startswith("SASL_")
        if sasl and None in (self.sasl_mechanism, self.sasl_username, self.sasl_password):
            raise ValueError(
                f"security_protocol {self.security_protocol} needs sasl_mechanism, sasl_username "
                "and sasl_password"
            )
        if not sasl and self.sasl_mechanism is not None:
            raise ValueError(
                f"sasl_mechanism {self.sasl_mechanism} needs security_protocol SASL_SSL or SASL_PLAINTEXT, "
                f"not {self.security_protocol}"
            )
        return self

    @property
    def replay_topic(self) -> str:
        """Topic that tells which dead letters were replayed.

        It follows from the dead letters' topic and is no setting: two operators with two of them would
        replay everything twice.
        """
        return f"{self.dead_letter_topic}.replays"

    @property
    def names_brokers(self) -> bool:
        """Whether brokers were named, for commands that can do without Kafka."""
        return "bootstrap_servers" in self.model_fields_set

    def client(self) -> dict[str, Any]:
        """Keyword arguments that every kafka-python client takes."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers.split(","),
            "client_id": self.client_id,
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol.endswith("SSL"):
            options |= {
                "ssl_cafile": _text(self.ssl_cafile),
                "ssl_certfile": _text(self.ssl_certfile),
                "ssl_keyfile": _text(self.ssl_keyfile),
                "ssl_password": self.ssl_password and self.ssl_password.get_secret_value(),
            }
        if self.sasl_mechanism is not None and self.sasl_password is not None:
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.sasl_username,
                "sasl_plain_password": self.sasl_password.get_secret_value(),
            }
        return options


@Parameter(name="*")
class ModelSettings(_Settings):
    """Which release serves, and where it runs."""

    release: str = Field(
        "small",
        min_length=1,
        description="Model release: a packaged name, a directory, a store with a channel or version "
        "(s3://bucket/releases#stable), or a Hugging Face hub name.",
    )
    device: str = Field("auto", min_length=1, description="auto, cpu, cuda or cuda:N.")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="Arithmetic of the encoders; auto takes bfloat16 where it is measured to be faster.",
    )
    public_key: Path | None = Field(
        None,
        description="Public key in PEM whose owner must have signed the release; then only one of a store "
        "will do.",
    )


@Parameter(name="*")
class StoreSettings(_Settings):
    """Where releases are kept."""

    store: str = Field(
        min_length=1,
        description="Release store: a directory, or a URL of fsspec such as s3://bucket/releases.",
    )


@Parameter(name="*")
class RuleSettings(_Settings):
    """What a candidate must come to beside the release in service; figures in 0-1."""

    f1_tolerance: float = Field(
        0.005, ge=0, le=1, description="Micro F1 that a candidate may lose on a development file."
    )
    type_tolerance: float = Field(
        0.1, ge=0, le=1, description="F1 that it may lose on one type of entity of a development file."
    )
    latency_factor: float = Field(
        1.25, ge=1, description="Time that it may take, as a multiple of that of the release in service."
    )


@Parameter(name="*")
class TrainerSettings(_Settings):
    """Settings of `rpbert trainer`, beside those of training."""

    work: Path = Field(
        description="Directory of the run; a run that was killed is gone on with from here. Shared by all "
        "machines of a run."
    )
    channel: str = Field(
        "stable", min_length=1, description="Channel to publish to; it always starts from stable."
    )
    golden: tuple[Path, ...] = Field(
        (), description="File of posts that a release must tag exactly as they are annotated; repeatable."
    )
    held_out_share: float = Field(
        0.2, ge=0, lt=0.5, description="Share of the annotations, the newest, that judge and never train."
    )
    choosing_share: float = Field(
        0.1, ge=0, lt=0.5, description="Share, the next newest, that chooses the epoch beside --dev."
    )
    until_offsets: str | None = Field(
        None,
        pattern=r"^\d+:\d+(?:,\d+:\d+)*$",
        description="Read annotations up to these offsets, partition:offset separated by commas, as the "
        "card of a release states them; up to the topic's end if unset.",
    )
    signing_key: Path | None = Field(
        None, description="Private key in PEM to sign the release with, see `rpbert releases keygen`."
    )
    pushgateway: str | None = Field(
        None, min_length=1, description="URL of a Prometheus Pushgateway that takes the metrics of the run."
    )
    rule: RuleSettings = RuleSettings()


@Parameter(name="*")
class PictureSettings(_Settings):
    """How pictures are fetched, decoded and remembered."""

    redis_url: str | None = Field(
        "redis://localhost:6379/0",
        description="Redis for picture features: redis://, rediss://, unix://, redis+cluster://host:port,... "
        "or redis+sentinel://host:port,.../master; empty to go without.",
    )
    allow_network: tuple[IPvAnyNetwork, ...] = Field(
        (), description="Private network that pictures may come from, as a CIDR; may be repeated."
    )
    allow_host: tuple[HostName, ...] = Field(
        (),
        description="Host that pictures may come from wherever its name leads, on any port; may be repeated. "
        "Only for names whose DNS is yours.",
    )
    fetch_timeout: float = Field(5.0, gt=0, le=60, description="Seconds for one picture, redirects included.")
    fetch_connect_timeout: float = Field(2.0, gt=0, le=60, description="Seconds for one connection.")
    fetch_read_timeout: float = Field(3.0, gt=0, le=60, description="Seconds a host may send nothing.")
    fetch_wait: float = Field(
        15.0, gt=0, le=300, description="Seconds a picture may wait for its turn to be fetched."
    )
    fetch_max_bytes: int = Field(10_000_000, ge=1_024, description="Bytes a picture may have.")
    fetch_concurrency: int = Field(64, ge=1, description="Pictures fetched at a time.")
    fetch_per_host: int = Field(8, ge=1, description="Connections to one host at a time.")
    fetch_host_failures: int = Field(
        5, ge=1, description="Failures in a row after which a host is left alone for fetch_host_rest."
    )
    fetch_host_rest: float = Field(30.0, gt=0, le=3_600, description="Seconds a failing host is left alone.")
    fetch_host_rest_max: float = Field(
        120.0,
        gt=0,
        le=3_600,
        description="Most seconds a host is left alone because its Retry-After asks so.",
    )
    fetch_user_agent: str = Field(
        "rpbert-stream/0.1",
        pattern=_HEADER_TEXT,
        max_length=256,
        description="User-Agent sent to picture hosts.",
    )
    fetch_contact: str | None = Field(
        None,
        pattern=_HEADER_TEXT,
        max_length=256,
        description="URL or mail address where picture hosts reach you, sent with the User-Agent.",
    )
    max_pixels: int = Field(50_000_000, ge=1, description="Pixels a picture may have once decoded.")
    decode_processes: int = Field(2, ge=1, description="Processes that decode pictures.")
    decode_timeout: float = Field(10.0, gt=0, le=300, description="Seconds for decoding one picture.")
    decode_max_memory_mb: int = Field(
        1_024, ge=64, description="Megabytes that decoding one picture may take, on Linux."
    )
    local_cache_mb: int = Field(
        128, ge=0, description="Megabytes of picture features in the worker's own memory, in front of Redis."
    )
    flight_wait: float = Field(
        10.0,
        ge=0,
        le=60,
        description="Seconds to wait for a picture that another worker is at; then it is had here as well.",
    )
    cache_timeout: float = Field(0.25, gt=0, description="Seconds to wait for Redis before going on without.")
    feature_ttl: int = Field(86_400, ge=1, description="Seconds a picture's features stay in Redis.")
    url_ttl: int = Field(3_600, ge=1, description="Seconds a URL is taken to lead to the same picture.")
    failure_ttl: int = Field(
        60, ge=1, description="Seconds a picture that can't be had isn't asked for again."
    )


@Parameter(name="*")
class BatchSettings(_Settings):
    """How posts become batches."""

    batch_tokens: int = Field(
        4_096, ge=64, description="Padded tokens in a batch: longest post, text and pictures, times posts."
    )
    batch_posts: int = Field(64, ge=1, description="Posts in a batch.")
    batch_wait_ms: float = Field(
        20,
        ge=0,
        le=10_000,
        description="Milliseconds a post may wait for batch mates that are in the worker; a lone post "
        "does not wait.",
    )


@Parameter(name="*")
class RefreshSettings(_Settings):
    """How a running worker follows the channel of its release store."""

    release_poll_seconds: float = Field(
        30.0,
        gt=0,
        le=3_600,
        description="Seconds between looks at the release store; what is announced on release_topic is "
        "looked at at once.",
    )


@Parameter(name="*")
class CandidateSettings(_Settings):
    """What a running worker does with a candidate for service: a trial, a shadow, or nothing."""

    candidate_channel: str = Field(
        "candidate", min_length=1, description="Channel of the release to try out, of the same store."
    )
    canary_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the record keys whose posts the candidate tags, as long as it keeps within the "
        "canary bounds; 0 for none.",
    )
    canary_min_posts: int = Field(
        500, ge=2, description="Posts of either release before more than failures is compared."
    )
    canary_failure_margin: float = Field(
        0.01, ge=0, le=1, description="Share of posts that may fail in the candidate beyond the served one's."
    )
    canary_latency_ratio: float = Field(
        2.0, ge=1, description="How many times the served one's time a batch of the candidate may take."
    )
    canary_entity_ratio: float = Field(
        1.5, ge=1, description="How many times more or fewer entities a post may have from the candidate."
    )
    canary_confidence_margin: float = Field(
        0.1, ge=0, le=1, description="How far the mean entity scores may be apart."
    )
    shadow_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the batches that the candidate tags too, only to be compared; 0 for none.",
    )

    @model_validator(mode="after")
    def _serves_or_runs_beside(self) -> CandidateSettings:
        if self.canary_share and self.shadow_share:
            raise ValueError(
                f"canary_share {self.canary_share:g} and shadow_share {self.shadow_share:g} are both given: "
                "a candidate either serves or runs beside, set one of them to 0"
            )
        return self

    @property
    def wanted(self) -> bool:
        """Whether a candidate is to be brought in at all."""
        return bool(self.canary_share or self.shadow_share)


@Parameter(name="*")
class WorkerSettings(_Settings):
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
        Delivery.EXACTLY_ONCE, description="exactly_once by Kafka transactions, or at_least_once without."
    )
    commit_interval_ms: float = Field(
        150, ge=0, le=10_000, description="Milliseconds between commits of finished posts."
    )
    transaction_timeout_ms: int = Field(
        15_000,
        ge=1_000,
        le=900_000,
        description="Milliseconds until the broker gives up a dead worker's transaction.",
    )
    max_in_flight: int = Field(
        512, ge=1, description="Posts between intake and commit; partitions are paused beyond it."
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


@Parameter(name="*")
class ViewerSettings(_Settings):
    """Settings of `rpbert viewer`."""

    kafka: KafkaSettings = KafkaSettings()
    model: ModelSettings = ModelSettings()
    pictures: PictureSettings = PictureSettings(redis_url=None)
    group_id: str = Field(
        "rpbert-tagger", min_length=1, description="Consumer group of the workers, for the lag."
    )
    viewer_host: str = Field("127.0.0.1", min_length=1, description="Address of the page.")
    viewer_port: int = Field(9_480, ge=0, le=65_535, description="Port of the page; 0 takes a free one.")
    viewer_url: AnyHttpUrl | None = Field(
        None,
        description="URL under which browsers and workers reach the page, if another than its address; "
        "workers fetch from there the pictures of posts that were written on the page.",
    )
    viewer_token: SecretStr | None = Field(
        None,
        description="Token that a browser must give to write or correct; better given by the environment "
        "than as a flag. Needed where the page is not on this machine's loopback alone.",
    )
    history: int = Field(
        500, ge=1, le=5_000, description="Posts kept in memory, and shown to who opens the page."
    )
    max_viewers: int = Field(100, ge=1, description="Browsers that follow at a time.")
    hide_pictures: bool = Field(False, description="Fetch and show no pictures.")
    attention: bool = Field(
        False, description="Load the release, and show what entities attend to in pictures."
    )
    allow_posts: bool = Field(False, description="Let the page write posts to the input topic.")
    allow_corrections: bool = Field(
        False, description="Let the page write corrections to the annotation topic."
    )

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches the page."""
        return self.viewer_host in {"127.0.0.1", "localhost"}

    @model_validator(mode="after")
    def _writers_are_known(self) -> ViewerSettings:
        if (self.allow_posts or self.allow_corrections) and not self.is_local and self.viewer_token is None:
            raise ValueError(
                f"viewer_host {self.viewer_host} lets others than this machine write to Kafka: set "
                "RPBERT_VIEWER_TOKEN, or leave out allow_posts and allow_corrections"
            )
        return self

    @model_validator(mode="after")
    def _token_fits_a_header(self) -> ViewerSettings:
        token = None if self.viewer_token is None else self.viewer_token.get_secret_value()
        if token is not None and not re.match(_HEADER_TEXT, token):
            raise ValueError("viewer_token must be printable ASCII and not empty: it travels in a header")
        return self

    @model_validator(mode="after")
    def _attention_needs_pictures(self) -> ViewerSettings:
        if self.attention and self.hide_pictures:
            raise ValueError("attention is shown over pictures, and hide_pictures leaves them out: drop one")
        return self


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
