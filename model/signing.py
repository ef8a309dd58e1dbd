"""Signatures of releases: Ed25519 (RFC 8032) over the manifest, which names every file by its SHA-256."""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from model.manifest import Fault, ReleaseError

# A signature made for something else with the same key must not pass for one of a release.
_PURPOSE: Final = b"rpbert-stream release manifest 1\n"
_OWNER_ONLY: Final = 0o600
_EVERYBODY: Final = 0o644


def make_keys(path: Path) -> Path:
    """Write a new private key as PEM (PKCS #8), readable by its owner alone, and its public key beside it.

    Args:
        path: of the private key; must not exist.

    Returns:
        The path of the public key, `path` with `.pub` added.

    Raises:
        ReleaseError: a file is there already, or can't be written.
    """
    key = Ed25519PrivateKey.generate()
    public = path.with_name(f"{path.name}.pub")
    try:
        _write_new(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), _OWNER_ONLY)
        _write_new(
            public,
            key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            _EVERYBODY,
        )
    except FileExistsError as error:
        raise ReleaseError(
            f"{error.filename} is there already, and a key is not overwritten; name another"
        ) from None
    except OSError as error:
        raise ReleaseError(f"{path} can't be written ({type(error).__name__}); name another place") from None
    return public


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """Read a private key.

    Raises:
        ReleaseError: the file can't be read, or holds no such key without a password.
    """
    try:
        key = load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ReleaseError(
            f"{path} is not an Ed25519 private key in PEM without a password; "
            "`rpbert releases keygen` makes one"
        )
    return key


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Read a public key.

    Raises:
        ReleaseError: the file can't be read, or holds no such key.
    """
    try:
        key = load_pem_public_key(_read(path))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ReleaseError(
            f"{path} is not an Ed25519 public key in PEM; `rpbert releases keygen` makes a pair"
        )
    return key


def sign(manifest: bytes, key: Ed25519PrivateKey) -> str:
    """The signature of a manifest, base64."""
    return b64encode(key.sign(_PURPOSE + manifest)).decode()


def require_signature(manifest: bytes, signature: str | None, key: Ed25519PublicKey, release: str) -> None:
    """See that a manifest was signed by the owner of a key.

    Args:
        manifest: its bytes.
        signature: base64, None if there is none.
        key: the public key to trust.
        release: how a message calls the release.

    Raises:
        ReleaseError: it was not.
    """
    if signature is None:
        raise ReleaseError(
            f"{release} is not signed, and a public key is given; publish it again with --signing-key",
            Fault.UNSIGNED,
        )
    try:
        key.verify(b64decode(signature, validate=True), _PURPOSE + manifest)
    except (InvalidSignature, NotBase64, ValueError):
        raise ReleaseError(
            f"{release} is not signed by the owner of the public key; "
            "don't use it until you know who wrote it",
            Fault.UNSIGNED,
        ) from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ReleaseError(f"the key {path} can't be read ({type(error).__name__}); check the path") from None


def _write_new(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
