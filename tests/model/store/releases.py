"""Releases of a few bytes: a store reads none of what is in the files."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from model.manifest import FILES, MANIFEST, Manifest
from model.store.reference import ReleaseId


def small_release(directory: Path, version: str = "1", *, name: str = "small", content: str = "") -> Path:
    """Write a release whose files say which they are, and which version."""
    directory.mkdir(parents=True)
    digests = {}
    for file in FILES:
        bytes_ = f"{name}/{version} {file} {content}".encode() * 1_000
        (directory / file).write_bytes(bytes_)
        digests[file] = sha256(bytes_).hexdigest()
    manifest = Manifest(name=name, version=version, files=digests)
    (directory / MANIFEST).write_text(manifest.model_dump_json(indent=2))
    return directory


def small(version: str) -> ReleaseId:
    return ReleaseId("small", version)
