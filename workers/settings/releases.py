"""Which release serves, where releases are kept, and what becomes of a new one."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from cyclopts import Parameter
from pydantic import Field, model_validator

from workers.settings.base import Settings
from workers.settings.groups import FOLLOWING, RELEASE


@Parameter(name="*", group=RELEASE)
class ModelSettings(Settings):
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
class StoreSettings(Settings):
    """Where releases are kept."""

    store: str = Field(
        min_length=1,
        description="Release store: a directory, or a URL of fsspec such as s3://bucket/releases.",
    )


@Parameter(name="*", group=FOLLOWING)
class RefreshSettings(Settings):
    """How a running worker follows the channel of its release store."""

    release_poll_seconds: float = Field(
        30.0,
        gt=0,
        le=3_600,
        description="Seconds between looks at the release store; what is announced on release_topic is "
        "looked at at once.",
    )


@Parameter(name="*", group=FOLLOWING)
class CandidateSettings(Settings):
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
