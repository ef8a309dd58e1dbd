"""What stands beside a record's original bytes in `posts.dlq`.

The value, key and headers of a dead letter are those of the record it was, byte for byte, but for a
header's name that is no UTF-8: its wrong bytes are written as their numbers. What went wrong stands in
added headers, in the manner of KIP-1034.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from schemas.headers import InHeaders


class DeadLetterReason(StrEnum):
    """Why a record can't become a result, however often it is tried."""

    EMPTY = "empty"
    NOT_JSON = "not_json"
    INVALID_POST = "invalid_post"
    MODEL_FAILED = "model_failed"
    RESULT_TOO_LARGE = "result_too_large"


class Stage(StrEnum):
    """Where on its way the record failed."""

    INTAKE = "intake"
    ENGINE = "engine"
    PUBLISH = "publish"


class DeadLetter(InHeaders):
    """The headers that a dead letter carries, each under `__rpbert.errors.` and its field's name.

    `message`, `topic`, `partition` and `offset` are named as in KIP-1034 under `__streams.errors.`; its
    `exception` and `stacktrace` are Java's, ours are `reason`, `stage` and `field`.
    """

    header_prefix: ClassVar[str] = "__rpbert.errors."

    reason: DeadLetterReason = Field(description="The kind of failure, for filtering.")
    stage: Stage = Field(description="The step that failed.")
    field: str | None = Field(default=None, description="The field at fault, dotted; null if none is.")
    message: str = Field(description="One sentence for a person, never a library's error text.")
    topic: str = Field(description="Topic the record came from.")
    partition: int = Field(ge=0, description="Partition the record came from.")
    offset: int = Field(ge=0, description="Offset the record had.")
    release: str | None = Field(default=None, description="Release in service, `name/version`.")
    omitted_bytes: int | None = Field(
        default=None,
        ge=1,
        description="Size of the record if the topic does not take so much: then key, value and headers "
        "stand at the source alone. Null if they are here.",
    )
