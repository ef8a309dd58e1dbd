"""Releases: directories that hold a whole model and can be checked file by file. No pickle anywhere."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Final

import huggingface_hub
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fsspec.callbacks import DEFAULT_CALLBACK, Callback
from huggingface_hub.constants import HF_HUB_CACHE
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer

from model import weights
from model.config import RpBertConfig
from model.golden import read_golden
from model.manifest import (
    CARD,
    CONFIG,
    FILES,
    GOLDEN,
    MANIFEST,
    TOKENIZER,
    WEIGHTS,
    Fault,
    Manifest,
    ReleaseError,
    digest_of,
    verify_directory,
)
from model.rpbert import RpBert
from model.store.download import download
from model.store.reference import Reference, is_reference
from model.unfilled import Unfilled
from model.words import plain
from schemas import AnnotatedPost

__all__ = [
    "Release",
    "ReleaseError",
    "find_release",
    "load_release",
    "packaged_releases",
    "save_release",
    "seal",
]

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_KEPT_TOKENIZERS: Final = 4
_HUB_NAME: Final = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, slots=True)
class Release:
    """A release as loaded: the network in fp32, on the CPU, in inference mode.

    Attributes:
        tokenizer: shared by releases with the same one; not to be changed.
        golden: posts that it must tag right before it serves.
    """

    name: str
    version: str
    model: RpBert
    tokenizer: Tokenizer
    golden: tuple[AnnotatedPost, ...] = ()


def save_release(
    directory: Path,
    *,
    model: RpBert,
    tokenizer: Tokenizer,
    name: str,
    version: str,
    card: str,
) -> None:
    """Write a release; `directory` is made if need be and its files are overwritten.

    Golden posts that lie there already become part of it.

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
    weights.save(model, directory / WEIGHTS)
    seal(directory, name=name, version=version)


def seal(directory: Path, *, name: str, version: str) -> None:
    """Write the manifest over the files of a release as they stand, golden posts included if there are."""
    files = [*FILES, *([GOLDEN] if (directory / GOLDEN).exists() else [])]
    manifest = Manifest(
        name=name, version=version, files={file: digest_of(directory / file) for file in files}
    )
    (directory / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def load_release(
    release: str, *, key: Ed25519PublicKey | None = None, progress: Callback = DEFAULT_CALLBACK
) -> Release:
    """Find, verify and load a release.

    Args:
        release: as `find_release` takes it.
        key: whose owner must have signed it; only a release of a store can be signed.
        progress: told of what is fetched from a store.

    Raises:
        ReleaseError: not to be found, a file is missing, changed or of another architecture, or the
            signature is missing or not that of the key.
    """
    directory = find_release(release, key=key, progress=progress)
    manifest = verify_directory(directory)
    try:
        config = RpBertConfig.model_validate_json((directory / CONFIG).read_bytes())
    except ValidationError as error:
        field = ".".join(map(str, error.errors()[0]["loc"])) or "the whole"
        raise ReleaseError(
            f"{directory / CONFIG} does not describe an RpBERT of this version ({field}); "
            "train it anew or use the rpbert-stream that made it",
            Fault.ARCHITECTURE,
        ) from None
    with Unfilled():
        model = RpBert(config)
    _fill(model, directory / WEIGHTS)
    tokenizer = _tokenizer(directory / TOKENIZER)
    golden = read_golden(directory / GOLDEN) if GOLDEN in manifest.files else ()
    return Release(manifest.name, manifest.version, model.eval(), tokenizer, golden)


def find_release(
    release: str, *, key: Ed25519PublicKey | None = None, progress: Callback = DEFAULT_CALLBACK
) -> Path:
    """The directory of a release, downloaded into the user's cache if need be.

    Args:
        release: name of a packaged release, a directory, a store with its channel or version
            (`s3://bucket/releases#stable`), or a Hugging Face hub name `owner/name`.
        key: whose owner must have signed it; only a release of a store can be signed.
        progress: told of what is fetched from a store.

    Raises:
        ReleaseError: there is none of that name, no room for it on the disk, or it is not signed by the
            key's owner.
    """
    local = local_release(release)
    if local is None and is_reference(release):
        return download(Reference.parse(release), key=key, progress=progress)
    if key is not None:
        raise ReleaseError(
            f"{release!r} is not of a release store, so it has no signature, and a public key is given; "
            "publish it to a store by `rpbert releases publish --signing-key`",
            Fault.UNSIGNED,
        )
    if local is not None:
        return local
    if not _HUB_NAME.fullmatch(release):
        raise ReleaseError(
            f"there is no release {release!r}: give one of "
            f"{', '.join(packaged_releases()) or 'none packaged'}, a directory, "
            "a store such as s3://bucket/releases#stable, or a hub name owner/name"
        )
    try:
        return Path(huggingface_hub.snapshot_download(release, allow_patterns=[*FILES, GOLDEN, MANIFEST]))
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


def local_release(release: str) -> Path | None:
    """The directory of a packaged release, or a directory of that name; None if there is neither."""
    if release in packaged_releases():
        return Path(str(resources.files("model"))) / "releases" / release
    directory = Path(release)
    return directory if directory.is_dir() else None


def _tokenizer(path: Path) -> Tokenizer:
    try:
        return _read_tokenizer(path.read_text(encoding="utf-8"))
    except Exception as error:
        # The library raises nothing narrower.
        raise ReleaseError(
            f"{path} is not a tokenizer of this version; fetch the release again", Fault.FORMAT
        ) from error


@lru_cache(maxsize=_KEPT_TOKENIZERS)
def _read_tokenizer(described: str) -> Tokenizer:
    """Read a tokenizer's JSON, once for all releases that have the same.

    The library holds the interpreter's lock meanwhile, some 40 ms for 30,000 pieces, twice that with a copy,
    and many times that where processors are short: so long a worker would tag nothing while a release comes.
    """
    return plain(Tokenizer.from_str(described))


def _fill(model: RpBert, path: Path) -> None:
    """Load weights that fit exactly: every name, every shape."""
    try:
        state = load_file(path)
    except SafetensorError:
        raise ReleaseError(
            f"{path} is not a safetensors file; fetch the release again", Fault.FORMAT
        ) from None
    expected = {name: tensor.shape for name, tensor in model.state_dict().items()}
    found = {name: tensor.shape for name, tensor in state.items()}
    if expected != found:
        wrong = sorted(name for name, _ in expected.items() ^ found.items())
        raise ReleaseError(
            f"{path} is of another architecture than {CONFIG} says, beginning with {wrong[0]}; "
            "fetch the release again",
            Fault.ARCHITECTURE,
        )
    model.load_state_dict(state)
