"""What stands in Redis: small binary values that say what they are and prove that they are whole.

A value is `RPB1`, one byte of kind, 16 bytes of BLAKE2b over key, kind and payload, then the payload. The
key is in the sum, so a value that got under another key is as foreign as a damaged one. Numbers are
little-endian.

| kind | payload |
|---|---|
| 1 content | SHA-256 of the picture's bytes, 32 bytes |
| 2 failure | the `ImageStatus`, ASCII |
| 3 features | element type (4 bytes, `<f2`), regions (u2), channels (u4), then the elements by rows |
"""

from __future__ import annotations

import struct
from hashlib import blake2b, sha256
from typing import Final

import numpy as np

from schemas import ImageStatus
from workers.tagger.pictures.picture import Features

_MAGIC: Final = b"RPB1"
_CONTENT: Final = b"\x01"
_FAILURE: Final = b"\x02"
_FEATURES: Final = b"\x03"
_SUM_BYTES: Final = 16
_HEAD_BYTES: Final = len(_MAGIC) + 1 + _SUM_BYTES
_CONTENT_BYTES: Final = sha256().digest_size
_FAILURES: Final = {status.value.encode(): status for status in ImageStatus if status is not ImageStatus.OK}
_ARRAY: Final = struct.Struct("<4sHI")
_ELEMENT: Final = b"<f2\0"


class Foreign(Exception):
    """A value that isn't ours, isn't whole, or isn't what belongs under its key."""


def pack_content(key: bytes, content: str) -> bytes:
    """The value for a URL that leads to the picture of SHA-256 `content` (hex)."""
    return _seal(key, _CONTENT, bytes.fromhex(content))


def pack_failure(key: bytes, status: ImageStatus) -> bytes:
    """The value for a URL that leads to no picture."""
    return _seal(key, _FAILURE, status.value.encode())


def unpack_url(key: bytes, value: object) -> str | ImageStatus:
    """What a URL leads to: the content of a picture (hex), or the status that says why there is none.

    Raises:
        Foreign: the value can't be used.
    """
    kind, payload = _unseal(key, value)
    if kind == _CONTENT and len(payload) == _CONTENT_BYTES:
        return payload.hex()
    status = _FAILURES.get(payload) if kind == _FAILURE else None
    if status is None:
        raise Foreign
    return status


def pack_features(key: bytes, features: Features) -> bytes:
    """The value for the features `(regions, channels)` of a picture."""
    head = _ARRAY.pack(_ELEMENT, *features.shape)
    return _seal(key, _FEATURES, head + features.astype("<f2", copy=False).tobytes())


def unpack_features(key: bytes, value: object, shape: tuple[int, int]) -> Features:
    """The features of a picture, bit for bit as packed, read-only.

    Raises:
        Foreign: the value can't be used, or has another shape than `shape`.
    """
    kind, payload = _unseal(key, value)
    if kind != _FEATURES or payload[: _ARRAY.size] != _ARRAY.pack(_ELEMENT, *shape):
        raise Foreign
    elements = payload[_ARRAY.size :]
    if len(elements) != 2 * shape[0] * shape[1]:
        raise Foreign
    return np.frombuffer(elements, dtype="<f2").astype(np.float16, copy=False).reshape(shape)


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
