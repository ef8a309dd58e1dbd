"""What stands beside a record's original bytes in `posts.dlq`.

The value, key and headers of a dead letter are those of the record it was, byte for byte; what went
wrong stands in added headers, in the manner of KIP-1034.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field

PREFIX: Final = "__rpbert.errors."

Header = tuple[str, bytes | None]


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


class DeadLetter(BaseModel):
    """The headers that a dead letter carries, each under `__rpbert.errors.` and its field's name."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    reason: DeadLetterReason = Field(description="The kind of failure, for filtering.")
    stage: Stage = Field(description="The step that failed.")
    field: str | None = Field(default=None, description="The field at fault, dotted; null if none is.")
    message: str = Field(description="One sentence for a person, never a library's error text.")
    topic: str = Field(description="Topic the record came from.")
    partition: int = Field(ge=0, description="Partition the record came from.")
    offset: int = Field(ge=0, description="Offset the record had.")
    release: str | None = Field(default=None, description="Release in service, `name/version`.")

    def to_headers(self) -> list[Header]:
        """These fields as Kafka headers, UTF-8; a null field is left out."""
        fields = self.model_dump(mode="json", exclude_none=True)
        return [(PREFIX + name, str(value).encode()) for name, value in fields.items()]

    @classmethod
    def from_headers(cls, headers: Iterable[Header]) -> Self:
        """Read the fields back from a dead letter's headers.

        Raises:
            pydantic.ValidationError: a field is missing or not of its type.
        """
        return cls.model_validate(
            {
                name.removeprefix(PREFIX): value.decode()
                for name, value in headers
                if name.startswith(PREFIX) and value is not None
            }
        )
