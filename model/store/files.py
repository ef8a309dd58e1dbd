"""Files of a store, by fsspec: a local directory, S3, Google Cloud Storage, or what else fsspec knows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkstemp
from typing import Final, cast
from urllib.parse import urlsplit

import fsspec
from fsspec.callbacks import Callback
from fsspec.implementations.local import LocalFileSystem

from model.manifest import Fault, ReleaseError

BytesDone = Callable[[int], object]
"""Is told how many more bytes are done."""

_TEMPORARY: Final = ".part-"
_CHUNK_BYTES: Final = 1024 * 1024
# What mkstemp makes is its owner's alone; who serves releases is often another user than who writes them.
_READABLE: Final = 0o644


class StoreFiles:
    """The files under one URL; keys are paths below it, with `/`.

    Every file appears whole or not at all: a PUT of an object store is atomic, and one of many parts
    appears when it is completed.
    """

    def __init__(self, system: fsspec.AbstractFileSystem, root: str) -> None:
        self._system = system
        self._root = root.rstrip("/")
        self.url: Final[str] = system.unstrip_protocol(self._root)

    def read(self, key: str, *, at_most: int) -> bytes | None:
        """The bytes of a small file, None if it isn't there.

        Raises:
            ReleaseError: the store doesn't answer, or the file is larger than `at_most` bytes.
        """
        content = b""
        with self._told("read", key):
            path = self._path(key)
            try:
                size = int(self._system.size(path))
                if size <= at_most:
                    # One GET, not an opened file: s3fs fails on one that is written anew between two.
                    content = cast("bytes", self._system.cat_file(path))
            except FileNotFoundError:
                return None
        if max(size, len(content)) > at_most:
            raise ReleaseError(
                f"{self.url}/{key} has more than {at_most:,} bytes and is not what it should be"
            )
        return content

    def chunks(self, key: str) -> Iterator[bytes]:
        """A file, piece by piece.

        Raises:
            ReleaseError: it isn't there, or the store doesn't answer.
        """
        with self._told("read", key), self._system.open(self._path(key), "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk

    def write(self, key: str, content: bytes) -> None:
        """Write a small file, over one that is there.

        Raises:
            ReleaseError: the store doesn't take it.
        """
        with self._told("write", key):
            self._system.pipe_file(self._path(key), content)

    def write_new(self, key: str, content: bytes) -> bool:
        """Write a small file unless there is one; False if there was.

        Raises:
            ReleaseError: the store doesn't take it.
        """
        with self._told("write", key):
            try:
                self._system.pipe_file(self._path(key), content, mode="create")
            except FileExistsError:
                return False
        return True

    def put(self, source: Path, key: str, sent: BytesDone = lambda _count: None) -> None:
        """Copy a local file into the store.

        Args:
            source: the file.
            key: where to.
            sent: told of the bytes that are sent, some at a time.

        Raises:
            ReleaseError: the store doesn't take it.
        """
        with self._told("write", key):
            self._system.put_file(str(source), self._path(key), callback=_Counted(sent))

    def size(self, key: str) -> int:
        """Bytes of a file.

        Raises:
            ReleaseError: it isn't there, or the store doesn't answer.
        """
        with self._told("read", key):
            return int(self._system.size(self._path(key)))

    def names(self, key: str = "") -> list[str]:
        """Names of the files and directories right under a directory, sorted; none if it isn't there.

        Raises:
            ReleaseError: the store doesn't answer.
        """
        with self._told("list", key):
            try:
                found = self._system.ls(self._path(key), detail=False)
            except (FileNotFoundError, NotADirectoryError):
                return []
        # An object store may show a directory as an empty file in itself.
        paths = {path.rstrip("/") for path in found} - {self._path(key)}
        return sorted(path.rpartition("/")[2] for path in paths)

    def modified(self, key: str) -> datetime | None:
        """When a file was written, None if it isn't there.

        Raises:
            ReleaseError: the store doesn't answer.
        """
        with self._told("read", key):
            try:
                at: datetime = self._system.modified(self._path(key))
            except (FileNotFoundError, NotADirectoryError):
                return None
        return at if at.tzinfo else at.replace(tzinfo=UTC)

    def remove(self, key: str) -> None:
        """Remove a file, or a directory with all that is in it; one that isn't there is as good.

        Raises:
            ReleaseError: the store doesn't let it go.
        """
        with self._told("remove", key), suppress(FileNotFoundError):
            self._system.rm(self._path(key), recursive=True)

    def remove_parts(self, before: datetime) -> None:
        """Remove what writes that were broken off before that time have left; an object store hides it."""

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}" if key else self._root

    @contextmanager
    def _told(self, act: str, key: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if act == "read" and isinstance(error, FileNotFoundError):
                raise ReleaseError(f"{self.url} has no {key}; see `rpbert releases list`") from None
            # Each store's client has errors of its own, and their texts may tell what is nobody's business.
            raise ReleaseError(
                f"{self.url}: can't {act} {key or 'it'} ({type(error).__name__}); check the store's address, "
                "the credentials in the environment and your rights",
                Fault.STORE,
            ) from error


class _Counted(Callback):  # type: ignore[misc]  # fsspec has no types
    """Passes on what fsspec tells of a transfer."""

    def __init__(self, done: BytesDone) -> None:
        super().__init__()
        self._done = done

    def relative_update(self, inc: int = 1) -> None:
        """So many bytes more."""
        self._done(inc)


class _LocalFiles(StoreFiles):
    """A directory: each file is written beside, brought to the disk, and then renamed."""

    def write(self, key: str, content: bytes) -> None:
        with self._told("write", key), self._beside(key) as (part, path):
            part.write_bytes(content)
            _to_disk(part)
            part.replace(path)
            _to_disk(path.parent)

    def write_new(self, key: str, content: bytes) -> bool:
        with self._told("write", key), self._beside(key) as (part, path):
            part.write_bytes(content)
            _to_disk(part)
            try:
                # Unlike a rename, a link fails if there is one.
                path.hardlink_to(part)
            except FileExistsError:
                return False
            _to_disk(path.parent)
        return True

    def put(self, source: Path, key: str, sent: BytesDone = lambda _count: None) -> None:
        with self._told("write", key), self._beside(key) as (part, path):
            with source.open("rb") as file, part.open("wb") as copy:
                while chunk := file.read(_CHUNK_BYTES):
                    sent(copy.write(chunk))
            _to_disk(part)
            part.replace(path)
            _to_disk(path.parent)

    def names(self, key: str = "") -> list[str]:
        return [name for name in super().names(key) if not name.startswith(_TEMPORARY)]

    def remove_parts(self, before: datetime) -> None:
        with self._told("remove", ""):
            for depth in ("*", "*/*"):
                for part in Path(self._root).glob(f"{depth}/{_TEMPORARY}*"):
                    if part.stat().st_mtime < before.timestamp():
                        part.unlink(missing_ok=True)

    @contextmanager
    def _beside(self, key: str) -> Iterator[tuple[Path, Path]]:
        path = Path(self._path(key))
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = mkstemp(prefix=_TEMPORARY, dir=path.parent)
        os.close(descriptor)
        part = Path(name)
        try:
            part.chmod(_READABLE)
            yield part, path
        finally:
            part.unlink(missing_ok=True)


def open_files(url: str) -> StoreFiles:
    """The files under a URL of fsspec, or under a local path.

    Raises:
        ReleaseError: it is no such URL, or what its kind of store needs is not installed.
    """
    if urlsplit(url).password is not None:
        raise ReleaseError(
            "a store's address holds no password; give it to the store's client by the environment"
        )
    kind = url.partition("://")[0]
    try:
        # A list of files that is remembered would show an old state to a process that runs for long.
        system, root = fsspec.url_to_fs(url, use_listings_cache=False)
    except ImportError:
        extras = {"s3": "store-s3", "s3a": "store-s3", "gs": "store-gcs", "gcs": "store-gcs"}
        need = f"'rpbert-stream[{extras[kind]}]'" if kind in extras else "the fsspec package for it"
        raise ReleaseError(f"stores of the kind {kind}:// need another package; pip install {need}") from None
    except ValueError:
        raise ReleaseError(
            f"{url!r} is no address of a store; give a directory or a URL such as s3://bucket/releases"
        ) from None
    return _LocalFiles(system, root) if isinstance(system, LocalFileSystem) else StoreFiles(system, root)


def _to_disk(path: Path) -> None:
    """Have the disk hold a file, or a directory's names, before anything is built on it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
