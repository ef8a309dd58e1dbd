"""Records that kafka-python 3.0.12 can't read although the broker took them.

One such record would end every reader of its partition, at every start, for ever. What is cured here:

- A header's name that is not UTF-8. The broker takes any bytes for it and kafka-python decodes it strictly.
  Here a byte that is none is written as a backslash, `x` and its number.
- A record's attributes. They are one byte that means nothing yet (KIP-98) and that the broker does not
  look at; kafka-python reads a varint, so a high bit there shifts all that follows, the offset among it.

What a checksum says is broken stays an error: that is the broker's disk, not a stranger's record.
"""

from __future__ import annotations

from typing import Any, SupportsIndex

from kafka.record import memory_records
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.util import decode_varint


class _Lenient(bytearray):
    """Bytes whose slices decode whatever they hold: a wrong byte is written as its number."""

    def __getitem__(self, key: SupportsIndex | slice) -> Any:
        found = super().__getitem__(key)
        return _Lenient(found) if isinstance(key, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        del errors
        return super().decode(encoding, "backslashreplace")


class ReadableBatch(DefaultRecordBatch):  # type: ignore[misc]
    """A record batch (KIP-98) whose every record can be read."""

    __slots__ = ()
    _buffer: bytearray
    _pos: int

    def _read_msg(self) -> Any:
        # The checksum was looked at before, and nothing else reads this byte.
        _, attributes = decode_varint(self._buffer, self._pos)
        self._buffer[attributes] = 0
        try:
            return super()._read_msg()
        except UnicodeDecodeError:
            # Once for the rest of the batch; the position has not moved.
            self._buffer = _Lenient(self._buffer)  # type: ignore[misc] # a slot of the class above
            return super()._read_msg()


def read_every_record() -> None:
    """Make the consumers of this process read what the broker took."""
    memory_records.DefaultRecordBatch = ReadableBatch
