"""Models whose fields travel as Kafka headers beside a record's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict

Header = tuple[str, bytes | None]


class InHeaders(BaseModel):
    """Each field is a header under the prefix and the field's name, its value as UTF-8 text (KIP-1034)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    header_prefix: ClassVar[str]

    def to_headers(self) -> list[Header]:
        """These fields as Kafka headers; a null field is left out."""
        fields = self.model_dump(mode="json", exclude_none=True)
        return [(self.header_prefix + name, str(value).encode()) for name, value in fields.items()]

    @classmethod
    def from_headers(cls, headers: Iterable[Header]) -> Self:
        """Read the fields back from a record's headers.

        Raises:
            pydantic.ValidationError: a field is missing or not of its type.
        """
        first, *_ = cls.model_fields
        fields: dict[str, str] = {}
        for name, value in headers:
            if not name.startswith(cls.header_prefix) or value is None:
                continue
            field = name.removeprefix(cls.header_prefix)
            if field == first:
                # What stands before is of an earlier time: some tool copied the record, headers and all.
                fields.clear()
            fields[field] = value.decode(errors="replace")
        return cls.model_validate(fields)
