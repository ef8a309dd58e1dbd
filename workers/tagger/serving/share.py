"""Which posts a release on trial gets: a share of the keys, always the same ones."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

_BYTES: Final = 8


def gets_a_share(key: bytes, salt: str, share: float) -> bool:
    """Whether a key belongs to the share.

    Every worker draws alike, and a larger share holds all keys of a smaller one.

    Args:
        key: of the post's record.
        salt: which draw it is: other releases are tried on other authors.
        share: of all keys, 0 to 1.
    """
    digest = blake2b(key, digest_size=_BYTES, person=salt.encode()[:16]).digest()
    return bool(int.from_bytes(digest, "big") < share * 2.0 ** (8 * _BYTES))
