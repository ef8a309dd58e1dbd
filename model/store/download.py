"""A release from a store into a directory on this machine: whole and verified, or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from filelock import FileLock, Timeout
from fsspec.callbacks import DEFAULT_CALLBACK, Callback

from model.manifest import MANIFEST, Fault, ReleaseError, verify_directory
from model.signing import require_signature
from model.store.files import StoreFiles
from model.store.reference import Reference, ReleaseId
from model.store.store import ReleaseStore, Sealed

_PART: Final = ".part-"
# Some gigabytes over a slow line.
_LOCK_SECONDS: Final = 1_800.0
_KEPT: Final = 4
# Whoever was given a directory has long loaded it by then.
_IN_USE_SECONDS: Final = 3_600.0
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def download(
    reference: Reference,
    cache: Path | None = None,
    *,
    key: Ed25519PublicKey | None = None,
    progress: Callback = DEFAULT_CALLBACK,
) -> Path:
    """Have a release of a store on this machine.

    Only the files that make a release are fetched, each is compared with the manifest, and the manifest
    with the channel and the signature. Processes that ask for the same release at a time fetch it once.

    Args:
        reference: which release of which store.
        cache: where downloads are kept; the user's cache directory by default.
        key: whose owner must have signed it; None to ask for no signature.
        progress: told of the bytes that there are and that come; not at all if the release is here.

    Returns:
        The directory, made complete; it stays for an hour at least.

    Raises:
        ReleaseError: there is no such release, it is not what its manifest, channel or signature says, or
            it can't be stored here.
    """
    store = ReleaseStore(reference.store)
    release, sealed = _resolve(store, reference)
    where = f"{store.url}/{release}"
    if key is not None:
        require_signature(sealed.content, sealed.signature, key, where)
    cache = cache or default_cache()
    directory = cache / sealed.sha256
    with _stored(where, cache):
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f".{sealed.sha256}.lock", timeout=_LOCK_SECONDS):
            if not _is_whole(directory):
                _fetch(store, release, sealed, directory, progress)
            os.utime(directory)
        _forget_old(cache, but=directory)
    return directory


def default_cache() -> Path:
    """Where downloads are kept: `releases` in this project's folder of the user's cache directory.

    `XDG_CACHE_HOME` is honoured everywhere when set (XDG Base Directory Specification).
    """
    configured = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not configured.is_absolute():
        configured = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return configured / "rpbert-stream" / "releases"


def _resolve(store: ReleaseStore, reference: Reference) -> tuple[ReleaseId, Sealed]:
    if isinstance(reference.target, ReleaseId):
        return reference.target, store.sealed(reference.target)
    entry = store.current(reference.target)
    sealed = store.sealed(entry.release)
    if sealed.sha256 != entry.manifest_sha256:
        raise ReleaseError(
            f"{store.url}/{entry.release}/{MANIFEST} is not the one that the channel {reference.target} was "
            "pointed at; publish the release again under another version"
        )
    return entry.release, sealed


def _fetch(
    store: ReleaseStore, release: ReleaseId, sealed: Sealed, directory: Path, progress: Callback
) -> None:
    """Fetch into a directory beside and rename it; the caller holds the lock of this release."""
    mark = f"{_PART}{sealed.sha256}-"
    for left in directory.parent.glob(f"{mark}*"):
        # Of a process that was killed: nobody else writes while we hold the lock.
        shutil.rmtree(left)
    part = Path(tempfile.mkdtemp(prefix=mark, dir=directory.parent))
    try:
        with progress:
            progress.set_size(sum(store.files.size(f"{release}/{file}") for file in sealed.manifest.files))
            for file, digest in sealed.manifest.files.items():
                _fetch_file(store.files, f"{release}/{file}", digest, part / file, progress)
        (part / MANIFEST).write_bytes(sealed.content)
        if directory.exists():
            shutil.rmtree(directory)
        part.rename(directory)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _fetch_file(files: StoreFiles, key: str, digest: str, path: Path, progress: Callback) -> None:
    found = hashlib.sha256()
    with path.open("wb") as into:
        for chunk in files.chunks(key):
            found.update(chunk)
            progress.relative_update(into.write(chunk))
    if found.hexdigest() != digest:
        raise ReleaseError(
            f"{files.url}/{key} is not the file that the manifest names; "
            "check the store by `rpbert releases verify`"
        )


def _is_whole(directory: Path) -> bool:
    try:
        verify_directory(directory)
    except ReleaseError:
        return False
    return True


def _forget_old(cache: Path, *, but: Path) -> None:
    """Remove downloads that were not asked for lately, all but the last few."""
    found = [path for path in cache.iterdir() if path.is_dir() and not path.name.startswith(".")]
    ages = sorted(((path.stat().st_mtime, path) for path in found if path != but), reverse=True)
    for used, path in ages[_KEPT - 1 :]:
        if used < time.time() - _IN_USE_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _stored(where: str, cache: Path) -> Iterator[None]:
    try:
        yield
    except Timeout:
        raise ReleaseError(
            f"another process has been fetching {where} into {cache} for half an hour; "
            "end it and start again",
            Fault.DISK,
        ) from None
    except OSError as error:
        if error.errno in _FULL:
            raise ReleaseError(
                f"no space is left for {where} in {cache}; make room there, or name another place by "
                "XDG_CACHE_HOME",
                Fault.DISK,
            ) from None
        raise ReleaseError(
            f"{where} can't be kept in {cache} ({type(error).__name__}); check your rights there, or name "
            "another place by XDG_CACHE_HOME",
            Fault.DISK,
        ) from None
