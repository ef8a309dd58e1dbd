"""What makes a directory a release: its files, and the manifest that names each with its SHA-256.

Apart from the loading of a release, so that who lists or copies releases need not wait for torch.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

CONFIG: Final = "config.json"
WEIGHTS: Final = "model.safetensors"
TOKENIZER: Final = "tokenizer.json"
CARD: Final = "README.md"
MANIFEST: Final = "manifest.json"
FILES: Final = (CONFIG, WEIGHTS, TOKENIZER, CARD)
"""What every manifest names."""
GOLDEN: Final = "golden.jsonl"
"""Posts that the release must tag right before it serves; the only file that a manifest may name besides."""


class Fault(StrEnum):
    """What is wrong with a release, for counting; the error's message says it in words."""

    DAMAGED = "damaged"
    FORMAT = "format"
    ARCHITECTURE = "architecture"
    UNSIGNED = "unsigned"
    GOLDEN = "golden"
    MISSING = "missing"
    MODEL = "model"
    MEMORY = "memory"
    DISK = "disk"
    STORE = "store"

    @property
    def passes(self) -> bool:
        """Whether the same release may be fit later: the fault is of this machine or of the way to it."""
        return self in (Fault.MEMORY, Fault.DISK, Fault.STORE)


class ReleaseError(Exception):
    """A release can't be used; the message names the file and says what to do."""

    def __init__(self, message: str, fault: Fault = Fault.DAMAGED) -> None:
        super().__init__(message)
        self.fault: Final = fault


class Manifest(BaseModel):
    """Name, version and the SHA-256 of each file; stands as `manifest.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    files: dict[str, str]


def read_manifest(content: bytes, where: str) -> Manifest:
    """Read a manifest and see that it names the files of a release: no path, no other file.

    Args:
        content: the bytes of `manifest.json`.
        where: how a message calls it.

    Raises:
        ReleaseError: it is none.
    """
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError:
        raise ReleaseError(f"{where} is not a manifest of this version; fetch the release again") from None
    if set(manifest.files) - {GOLDEN} != set(FILES):
        raise ReleaseError(
            f"{where} must name exactly {', '.join(FILES)}, and may name {GOLDEN}; fetch the release again"
        )
    return manifest


def verify_directory(directory: Path) -> Manifest:
    """Check every file of a release against its manifest.

    Raises:
        ReleaseError: a file is missing or is not the one that the manifest names.
    """
    path = directory / MANIFEST
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ReleaseError(
            f"{path} is missing: a release is a directory with {', '.join((*FILES, MANIFEST))}"
        ) from None
    manifest = read_manifest(content, str(path))
    for file, digest in manifest.files.items():
        if not (directory / file).is_file():
            raise ReleaseError(f"{directory / file} is missing; fetch the release again")
        if digest_of(directory / file) != digest:
            raise ReleaseError(
                f"{directory / file} is not the file that the manifest names; fetch the release again"
            )
    return manifest


def digest_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
