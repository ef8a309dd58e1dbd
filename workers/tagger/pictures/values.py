"""What stands in Redis: small binary values that say what they are and prove that they are whole.

A value is `RPB2`, one byte of kind, 16 bytes of BLAKE2b over key, kind and payload, then the payload. The
key is in the sum, so a value that got under another key is as foreign as a damaged one. Numbers are
little-endian, times are Unix time in seconds (f8).

| kind | payload |
|---|---|
| 1 content | until when it is taken as it is, lengths of ETag and Last-Modified (u2 each), SHA-256 of the picture's bytes (32 bytes), ETag, Last-Modified (ASCII) |
| 2 failure | until when, the `ImageStatus` (ASCII) |
| 3 features | element type (4 bytes, `<f2`), regions (u2), channels (u4), then one zstd frame (RFC 8878) of the elements, channel by channel |

Nine tenths of a ReLU backbone's features are 0, and a channel is often 0 in all regions: channel by channel
they shrink to a tenth without losing a bit (`bench/feature_bytes.py`).
"""  # noqa: E501 - a table's row is one line

from __future__ import annotations

import struct
from hashlib import blake2b
from math import isfinite
from typing import Final

import numpy as np
import zstandard

from schemas import ImageStatus
from workers.tagger.pictures.answer import Validators
from workers.tagger.pictures.lead import Lead
from workers.tagger.pictures.picture import Features

_MAGIC: Final = b"RPB2"
_CONTENT: Final = b"\x01"
_FAILURE: Final = b"\x02"
_FEATURES: Final = b"\x03"
_SUM_BYTES: Final = 16
_HEAD_BYTES: Final = len(_MAGIC) + 1 + _SUM_BYTES
_FAILURES: Final = {status.value.encode(): status for status in ImageStatus if status is not ImageStatus.OK}
_CONTENT_HEAD: Final = struct.Struct("<dHH32s")
_FAILURE_HEAD: Final = struct.Struct("<d")
_ARRAY: Final = struct.Struct("<4sHI")
_ELEMENT: Final = b"<f2\0"
_ELEMENT_BYTES: Final = 2
# Measured: higher levels cost more time and save nothing here.
_LEVEL: Final = 1


class Foreign(Exception):
    """A value that isn't ours, isn't whole, or isn't what belongs under its key."""


def pack_lead(key: bytes, lead: Lead) -> bytes:
    """The value for where a URL leads."""
    if lead.failure is not None:
        return _seal(key, _FAILURE, _FAILURE_HEAD.pack(lead.fresh_until) + lead.failure.value.encode())
    etag = (lead.validators.etag or "").encode("ascii")
    modified = (lead.validators.last_modified or "").encode("ascii")
    head = _CONTENT_HEAD.pack(lead.fresh_until, len(etag), len(modified), bytes.fromhex(lead.content or ""))
    return _seal(key, _CONTENT, head + etag + modified)


def unpack_lead(key: bytes, value: object) -> Lead:
    """Where a URL leads.

    Raises:
        Foreign: the value can't be used.
    """
    kind, payload = _unseal(key, value)
    try:
        lead = _content(payload) if kind == _CONTENT else _failure(payload) if kind == _FAILURE else None
    except (struct.error, UnicodeDecodeError):
        raise Foreign from None
    if lead is None or not isfinite(lead.fresh_until):
        raise Foreign
    return lead


def pack_features(key: bytes, features: Features) -> bytes:
    """The value for the features `(regions, channels)` of a picture."""
    head = _ARRAY.pack(_ELEMENT, *features.shape)
    elements = np.ascontiguousarray(features.T, dtype="<f2").tobytes()
    return _seal(key, _FEATURES, head + zstandard.ZstdCompressor(level=_LEVEL).compress(elements))


def unpack_features(key: bytes, value: object, shape: tuple[int, int]) -> Features:
    """The features of a picture, bit for bit as packed, read-only.

    Raises:
        Foreign: the value can't be used, or has another shape than `shape`.
    """
    kind, payload = _unseal(key, value)
    if kind != _FEATURES or payload[: _ARRAY.size] != _ARRAY.pack(_ELEMENT, *shape):
        raise Foreign
    frame = payload[_ARRAY.size :]
    expected = _ELEMENT_BYTES * shape[0] * shape[1]
    try:
        # The size is read first: whoever may write to Redis must not make us open more than a picture's.
        if zstandard.frame_content_size(frame) != expected:
            raise Foreign
        elements = zstandard.ZstdDecompressor().decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError:
        raise Foreign from None
    by_channel = np.frombuffer(elements, dtype="<f2").reshape(shape[::-1])
    features = np.ascontiguousarray(by_channel.T, dtype=np.float16)
    features.flags.writeable = False
    return features


def _content(payload: bytes) -> Lead:
    fresh_until, etag_bytes, modified_bytes, content = _CONTENT_HEAD.unpack_from(payload)
    texts = payload[_CONTENT_HEAD.size :]
    if len(texts) != etag_bytes + modified_bytes:
        raise Foreign
    etag, modified = texts[:etag_bytes].decode("ascii"), texts[etag_bytes:].decode("ascii")
    return Lead(fresh_until, content=content.hex(), validators=Validators(etag or None, modified or None))


def _failure(payload: bytes) -> Lead | None:
    (fresh_until,) = _FAILURE_HEAD.unpack_from(payload)
    status = _FAILURES.get(payload[_FAILURE_HEAD.size :])
    return None if status is None else Lead(fresh_until, failure=status)


def _seal(key: bytes, kind: bytes, payload: bytes) -> bytes:
    return _MAGIC + kind + _sum(key, kind, payload) + payload


def _unseal(key: bytes, value: object) -> tuple[bytes, bytes]:
    if not isinstance(value, bytes) or len(value) < _HEAD_BYTES or not value.startswith(_MAGIC):
        raise Foreign
    kind, payload = value[4:5], value[_HEAD_BYTES:]
    if value[5:_HEAD_BYTES] != _sum(key, kind, payload):
        raise Foreign
    return kind, payload


def _sum(key: bytes, kind: bytes, payload: bytes) -> bytes:
    total = blake2b(key, digest_size=_SUM_BYTES)
    total.update(kind)
    total.update(payload)
    return total.digest()
