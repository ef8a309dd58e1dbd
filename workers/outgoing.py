"""A record on its way to Kafka."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# What a record batch adds around one record, generously (KIP-98: 61 bytes, and a few a field).
_OVERHEAD_BYTES: Final = 512


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to produce."""

    topic: str
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]

    @property
    def size(self) -> int:
        """Bytes of the record, as the broker's limit counts them or a little more."""
        headers = sum(len(name.encode()) + len(value) for name, value in self.headers)
        return _OVERHEAD_BYTES + len(self.key or b"") + len(self.value) + headers
