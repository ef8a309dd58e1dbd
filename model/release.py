"""Releases: directories that hold a whole model and can be checked file by file. No pickle anywhere."""

from __future__ import annotations

import errno
import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

import huggingface_hub
from huggingface_hub.constants import HF_HUB_CACHE
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer

from model import weights
from model.config import RpBertConfig
from model.rpbert import RpBert

CONFIG: Final = "config.json"
TOKENIZER: Final = "tokenizer.json"
CARD: Final = "README.md"
MANIFEST: Final = "manifest.json"
FILES: Final = (CONFIG, weights.FILE, TOKENIZER, CARD)
"""What the manifest names, all of it and nothing else."""

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_HUB_NAME: Final = re.compile(r"[\w.-]+/[\w.-]+")


class ReleaseError(Exception):
    """A release can't be used; the message names the file and says what to do."""


class Manifest(BaseModel):
    """Name, version and the SHA-256 of each file; stands as `manifest.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class Release:
    """A release as loaded: the network in fp32, on the CPU, in inference mode."""

    name: str
    version: str
    model: RpBert
    tokenizer: Tokenizer


def save_release(
    directory: Path, *, model: RpBert, tokenizer: Tokenizer, name: str, version: str, card: str
) -> None:
    """Write a release; `directory` is made if need be and its files are overwritten.

    Args:
        directory: where.
        model: the network; its matrices are stored in half precision.
        tokenizer: the encoder's word pieces.
        name: the release's name.
        version: its version.
        card: the model card, Markdown with YAML front matter.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / CARD).write_text(card, encoding="utf-8")
    (directory / CONFIG).write_text(model.config.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (directory / TOKENIZER).write_text(tokenizer.to_str(), encoding="utf-8")
    weights.save(model, directory / weights.FILE)
    seal(directory, name=name, version=version)


def seal(directory: Path, *, name: str, version: str) -> None:
    """Write the manifest over the files of a release as they stand."""
    manifest = Manifest(name=name, version=version, files={file: _digest(directory / file) for file in FILES})
    (directory / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def load_release(release: str) -> Release:
    """Find, verify and load a release.

    Args:
        release: name of a packaged release, a directory, or a Hugging Face hub name `owner/name`.

    Raises:
        ReleaseError: not to be found, or a file is missing, changed or of another architecture.
    """
    directory = find_release(release)
    manifest = _verify(directory)
    try:
        config = RpBertConfig.model_validate_json((directory / CONFIG).read_bytes())
    except ValidationError as error:
        field = ".".join(map(str, error.errors()[0]["loc"])) or "the whole"
        raise ReleaseError(
            f"{directory / CONFIG} does not describe an RpBERT of this version ({field}); "
            "train it anew or use the rpbert-stream that made it"
        ) from None
    model = RpBert(config)
    _fill(model, directory / weights.FILE)
    tokenizer = Tokenizer.from_file(str(directory / TOKENIZER))
    return Release(manifest.name, manifest.version, model.eval(), tokenizer)


def find_release(release: str) -> Path:
    """The directory of a release; a hub name is downloaded into the user's Hugging Face cache.

    Raises:
        ReleaseError: there is none of that name, or no room for it on the disk.
    """
    if release in (names := packaged_releases()):
        return Path(str(resources.files("model"))) / "releases" / release
    if (directory := Path(release)).is_dir():
        return directory
    if not _HUB_NAME.fullmatch(release):
        raise ReleaseError(
            f"there is no release {release!r}: give one of {', '.join(names) or 'none packaged'}, "
            "a directory, or a hub name owner/name"
        )
    try:
        return Path(huggingface_hub.snapshot_download(release, allow_patterns=[*FILES, MANIFEST]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        # The hub's own errors are OSErrors too, without a number.
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            raise ReleaseError(
                f"there is no room on the disk for the release {release!r} in {HF_HUB_CACHE}: "
                "free some, or name a folder of another disk by HF_HUB_CACHE, and start again"
            ) from None
        raise ReleaseError(
            f"there is no directory {release!r}, and no such release could be had from the hub: "
            "check the name, the network and HF_TOKEN"
        ) from None


def packaged_releases() -> list[str]:
    """Names of the releases that come with the package."""
    folder = Path(str(resources.files("model"))) / "releases"
    return sorted(path.parent.name for path in folder.glob(f"*/{MANIFEST}"))


def _verify(directory: Path) -> Manifest:
    """Check every file against the manifest."""
    path = directory / MANIFEST
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ReleaseError(
            f"{path} is missing: a release is a directory with {', '.join((*FILES, MANIFEST))}"
        ) from None
    except ValidationError:
        raise ReleaseError(f"{path} is not a manifest of this version; fetch the release again") from None
    if set(manifest.files) != set(FILES):
        raise ReleaseError(f"{path} must name exactly {', '.join(FILES)}; fetch the release again")
    for file, digest in manifest.files.items():
        if not (directory / file).is_file():
            raise ReleaseError(f"{directory / file} is missing; fetch the release again")
        if _digest(directory / file) != digest:
            raise ReleaseError(
                f"{directory / file} is not the file that the manifest names; fetch the release again"
            )
    return manifest


def _fill(model: RpBert, path: Path) -> None:
    """Load weights that fit exactly: every name, every shape."""
    try:
        state = load_file(path)
    except SafetensorError:
        raise ReleaseError(f"{path} is not a safetensors file; fetch the release again") from None
    expected = {name: tensor.shape for name, tensor in model.state_dict().items()}
    found = {name: tensor.shape for name, tensor in state.items()}
    if expected != found:
        wrong = sorted(name for name, _ in expected.items() ^ found.items())
        raise ReleaseError(
            f"{path} is of another architecture than {CONFIG} says, beginning with {wrong[0]}; "
            "fetch the release again"
        )
    model.load_state_dict(state)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
