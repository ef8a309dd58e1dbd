from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from model.manifest import ReleaseError
from model.signing import make_keys, read_private_key, read_public_key, require_signature, sign


def test_what_a_key_signed_its_public_key_knows(tmp_path: Path) -> None:
    public = read_public_key(make_keys(tmp_path / "key"))
    signature = sign(b"manifest", read_private_key(tmp_path / "key"))
    require_signature(b"manifest", signature, public, "small/1")
    with pytest.raises(ReleaseError, match="small/1 is not signed by the owner"):
        require_signature(b"manifest.", signature, public, "small/1")


def test_a_private_key_is_its_owner_s_alone_and_never_overwritten(tmp_path: Path) -> None:
    make_keys(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0
    before = (tmp_path / "key").read_bytes()
    with pytest.raises(ReleaseError, match="key is there already, and a key is not overwritten"):
        make_keys(tmp_path / "key")
    assert (tmp_path / "key").read_bytes() == before
    with pytest.raises(ReleaseError, match="can't be written"):
        make_keys(tmp_path / "nowhere" / "key")


def test_what_is_no_such_key_is_refused_in_our_words(tmp_path: Path) -> None:
    make_keys(tmp_path / "key")
    elliptic = generate_private_key(SECP256R1())
    locked = read_private_key(tmp_path / "key").private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    for content in (
        b"no key",
        locked,
        elliptic.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    ):
        (tmp_path / "wrong").write_bytes(content)
        with pytest.raises(
            ReleaseError, match=r"wrong is not an Ed25519 private key.*`rpbert releases keygen`"
        ):
            read_private_key(tmp_path / "wrong")
    for content in (
        b"no key",
        elliptic.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    ):
        (tmp_path / "wrong").write_bytes(content)
        with pytest.raises(ReleaseError, match="wrong is not an Ed25519 public key"):
            read_public_key(tmp_path / "wrong")
    with pytest.raises(ReleaseError, match=r"the key .*nowhere can't be read"):
        read_public_key(tmp_path / "nowhere")
