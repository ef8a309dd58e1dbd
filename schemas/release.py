"""What is said of model releases on `models.releases`: where a channel points, what is not to be served."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from schemas.tagged_post import ReleaseName


class ReleaseMark(StrEnum):
    """Why a release is not to be served."""

    REFUSED = "refused"
    ROLLED_BACK = "rolled_back"


class ModelRelease(BaseModel):
    """A channel's release, or a mark on one. The topic is compacted, and the newest record of a key holds.

    Without a mark the key is the channel: that is where it points now. With a mark the key is
    `name/version`: the release is not to be served until a null value under this key lifts the mark, as
    publishing the release again does. Pointer and marks of one change are in one Kafka transaction.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = Field(min_length=1, description="Name of the release.")
    version: str = Field(min_length=1, description="Version of the release.")
    channel: str | None = Field(
        default=None,
        min_length=1,
        description="The channel that points to the release, or, of a mark, the one it was served from; null "
        "for a mark that concerns none.",
    )
    location: str = Field(
        min_length=1,
        description="URL of the release's directory, for fsspec, such as s3://bucket/small/1.0.0.",
    )
    manifest_sha256: str = Field(
        pattern="^[0-9a-f]{64}$", description="SHA-256 of `manifest.json`, which names every file by its own."
    )
    signature: str | None = Field(
        default=None, description="Ed25519 signature of the manifest, base64; null if it is not signed."
    )
    announced_at: AwareDatetime = Field(description="When it was announced, RFC 3339 with an offset.")
    announced_by: str = Field(min_length=1, description="Who announced it: a person, a trainer or a worker.")
    reason: str = Field(description="Why: one sentence for a person; empty if none was given.")
    replaces: ReleaseName | None = Field(
        default=None, description="What the channel pointed to before; null if nothing, and of a mark."
    )
    mark: ReleaseMark | None = Field(
        default=None,
        description="`refused`: a worker or a trainer found it unfit; `rolled_back`: it was served and taken "
        "back. Null if it is to be served.",
    )

    @model_validator(mode="after")
    def _is_a_pointer_or_a_mark(self) -> Self:
        if self.mark is None and self.channel is None:
            raise ValueError("channel is missing: only a mark may be of no channel")
        if self.mark is not None and not self.reason:
            raise ValueError(f"reason is empty: say why {self.name}/{self.version} is {self.mark.value}")
        return self

    @property
    def key(self) -> str:
        """The record's key: the channel, or `name/version` of a mark."""
        if self.mark is None and self.channel is not None:
            return self.channel
        return f"{self.name}/{self.version}"
