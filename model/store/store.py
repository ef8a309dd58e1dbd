"""A release store: complete versions, their signatures, and the channels that point to them.

    NAME/VERSION/   the files of a release, manifest.json.sig if it is signed, manifest.json last
    channels/       a small file for each channel, and the lock of the trainer, see `lease`
    reports/        what the trainer's runs came to

A version is there when its manifest is; what was broken off before has none and is never listed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import ValidationError

from model.manifest import (
    FILES,
    GOLDEN,
    MANIFEST,
    Fault,
    Manifest,
    ReleaseError,
    read_manifest,
    verify_directory,
)
from model.signing import require_signature, sign
from model.store.channel import Change, Channel, Entry
from model.store.files import BytesDone, open_files
from model.store.reference import CHANNELS, REPORTS, ReleaseId, channel_name

SIGNATURE: Final = f"{MANIFEST}.sig"
_KNOWN: Final = frozenset({*FILES, GOLDEN, MANIFEST, SIGNATURE})
# One of them is written before all others.
_FIRST: Final = frozenset({FILES[0], SIGNATURE})
_SUFFIX: Final = ".json"
# Some 500 bytes each; a hundred changes of a channel are some 50,000.
_MANIFEST_BYTES: Final = 64 * 1024
_SIGNATURE_BYTES: Final = 1024
_CHANNEL_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sealed:
    """A manifest as it stands in the store."""

    content: bytes
    manifest: Manifest
    signature: str | None

    @property
    def sha256(self) -> str:
        """SHA-256 of the manifest's bytes, in hex: it names the release with all its files."""
        return hashlib.sha256(self.content).hexdigest()


class ReleaseStore:
    """The releases and channels under one URL."""

    def __init__(self, url: str) -> None:
        """Open a store; nothing is asked of it yet.

        Args:
            url: of fsspec, or a local directory.

        Raises:
            ReleaseError: it is no such URL, or needs a package that isn't installed.
        """
        self.files: Final = open_files(url)

    @property
    def url(self) -> str:
        """The store's URL, in full."""
        return self.files.url

    def releases(self) -> list[ReleaseId]:
        """The complete versions, by name and in the order in which they were published.

        Raises:
            ReleaseError: the store doesn't answer.
        """
        found = [
            (release.name, at, release.version)
            for release in self._directories()
            if (at := self.published(release)) is not None
        ]
        return [ReleaseId(name, version) for name, _, version in sorted(found)]

    def unfinished(self) -> list[ReleaseId]:
        """What was begun and has no manifest (yet); a directory with other files in it is somebody else's.

        Raises:
            ReleaseError: the store doesn't answer.
        """
        return [
            release
            for release in self._directories()
            if self.published(release) is None
            and (names := set(self.files.names(str(release)))) <= _KNOWN
            and names & _FIRST
        ]

    def published(self, release: ReleaseId) -> datetime | None:
        """When a version was completed, None if it isn't there.

        Raises:
            ReleaseError: the store doesn't answer.
        """
        return self.files.modified(f"{release}/{MANIFEST}")

    def sealed(self, release: ReleaseId) -> Sealed:
        """The manifest of a version; its files are not read.

        Raises:
            ReleaseError: there is no such version, or its manifest is none or of another.
        """
        where = f"{self.url}/{release}/{MANIFEST}"
        content = self.files.read(f"{release}/{MANIFEST}", at_most=_MANIFEST_BYTES)
        if content is None:
            raise ReleaseError(
                f"{self.url} has no release {release}; see `rpbert releases list`", Fault.MISSING
            )
        manifest = read_manifest(content, where)
        if (manifest.name, manifest.version) != (release.name, release.version):
            raise ReleaseError(
                f"{where} is that of {manifest.name}/{manifest.version}; "
                "remove the directory and publish again"
            )
        signature = self.files.read(f"{release}/{SIGNATURE}", at_most=_SIGNATURE_BYTES)
        return Sealed(
            content, manifest, None if signature is None else signature.decode(errors="replace").strip()
        )

    def add(
        self,
        directory: Path,
        *,
        key: Ed25519PrivateKey | None = None,
        sent: BytesDone = lambda _count: None,
    ) -> ReleaseId:
        """Copy a release into the store, its manifest last; one that is there already is only signed.

        Args:
            directory: of a release on this machine.
            key: to sign it.
            sent: told of the bytes that are sent, some at a time.

        Raises:
            ReleaseError: the release is not whole, another of its version is there, or the store fails.
        """
        manifest = verify_directory(directory)
        release = ReleaseId(manifest.name, manifest.version)
        content = (directory / MANIFEST).read_bytes()
        if key is not None:
            # Not before a release of other bytes: its signature would be lost.
            self._require_same(release, content)
            self.files.write(f"{release}/{SIGNATURE}", sign(content, key).encode() + b"\n")
        if self._require_same(release, content):
            return release
        for file in (*FILES, GOLDEN):
            if file in manifest.files:
                self.files.put(directory / file, f"{release}/{file}", sent)
        if not self.files.write_new(f"{release}/{MANIFEST}", content):
            self._require_same(release, content)
        return release

    def sign(self, release: ReleaseId, key: Ed25519PrivateKey) -> None:
        """Sign a version that is there.

        Raises:
            ReleaseError: it isn't there, or the store fails.
        """
        content = self.sealed(release).content
        self.files.write(f"{release}/{SIGNATURE}", sign(content, key).encode() + b"\n")

    def size(self, release: ReleaseId) -> int:
        """Bytes of all the files of a version.

        Raises:
            ReleaseError: there is no such version, or the store doesn't answer.
        """
        return sum(self.files.size(f"{release}/{file}") for file in self.sealed(release).manifest.files)

    def verify(
        self,
        release: ReleaseId,
        *,
        key: Ed25519PublicKey | None = None,
        read: BytesDone = lambda _count: None,
    ) -> None:
        """Read every byte of a version and compare it with the manifest.

        Args:
            release: which.
            key: whose owner must have signed it; None to ask for no signature.
            read: told of the bytes that are read, some at a time.

        Raises:
            ReleaseError: a file is missing, changed or unknown, or the signature is not that of the key.
        """
        sealed = self.sealed(release)
        where = f"{self.url}/{release}"
        if key is not None:
            require_signature(sealed.content, sealed.signature, key, where)
        if unknown := set(self.files.names(str(release))) - _KNOWN:
            raise ReleaseError(f"{where} holds {min(unknown)}, which is no file of a release; remove it")
        for file, digest in sealed.manifest.files.items():
            found = hashlib.sha256()
            for chunk in self.files.chunks(f"{release}/{file}"):
                found.update(chunk)
                read(len(chunk))
            if found.hexdigest() != digest:
                raise ReleaseError(
                    f"{where}/{file} is not the file that the manifest names; "
                    "publish it under another version"
                )

    def channels(self) -> list[str]:
        """Names of the channels.

        Raises:
            ReleaseError: the store doesn't answer.
        """
        names = self.files.names(CHANNELS)
        return [name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)]

    def channel(self, name: str) -> Channel:
        """A channel; one that is not there yet is empty.

        Raises:
            ReleaseError: the name can't be one, or the file is none of ours.
        """
        key = f"{CHANNELS}/{channel_name(name)}{_SUFFIX}"
        content = self.files.read(key, at_most=_CHANNEL_BYTES)
        try:
            return Channel() if content is None else Channel.model_validate_json(content)
        except ValidationError:
            raise ReleaseError(
                f"{self.url}/{key} is not a channel of this version; "
                "remove it and publish to the channel again"
            ) from None

    def current(self, channel: str) -> Entry:
        """What a channel points to.

        Raises:
            ReleaseError: nothing was published to it, or the store doesn't answer.
        """
        if (entry := self.channel(channel).current) is None:
            raise ReleaseError(
                f"{self.url} has no release in the channel {channel}; "
                f"publish one by `rpbert releases publish ... --channel {channel}`",
                Fault.MISSING,
            )
        return entry

    def point(
        self, channel: str, release: ReleaseId, *, by: str, reason: str, again: bool = False
    ) -> Channel:
        """Point a channel at a version that is there.

        Args:
            channel: which; it is made if need be.
            release: the version.
            by: who wants it.
            reason: why.
            again: also if the channel was rolled back from it before.

        Returns:
            The channel as it is now.

        Raises:
            ReleaseError: the version isn't there or was rolled back, or the store fails.
        """
        entry = Entry(
            name=release.name,
            version=release.version,
            manifest_sha256=self.sealed(release).sha256,
            pointed=Change(at=datetime.now(UTC), by=by, reason=reason),
        )
        return self._write(channel, self.channel(channel).pointed(entry, again=again))

    def roll_back(self, channel: str, *, by: str, reason: str) -> Channel:
        """Point a channel at the release it had before.

        Returns:
            The channel as it is now.

        Raises:
            ReleaseError: there is none before, it is no longer in the store, or the store fails.
        """
        changed = self.channel(channel).rolled_back(Change(at=datetime.now(UTC), by=by, reason=reason))
        if changed.current is not None:
            self.sealed(changed.current.release)
        return self._write(channel, changed)

    def _write(self, channel: str, changed: Channel) -> Channel:
        content = changed.model_dump_json(indent=2).encode() + b"\n"
        self.files.write(f"{CHANNELS}/{channel_name(channel)}{_SUFFIX}", content)
        return changed

    def _require_same(self, release: ReleaseId, content: bytes) -> bool:
        """Whether a version is there; it must be the one of this manifest."""
        if self.published(release) is None:
            return False
        if self.sealed(release).content != content:
            raise ReleaseError(
                f"{self.url} has another {release} already, and a version never changes; "
                "publish yours under another version"
            )
        return True

    def _directories(self) -> list[ReleaseId]:
        found = []
        for name in self.files.names():
            for version in self.files.names(name) if name not in (CHANNELS, REPORTS) else ():
                try:
                    found.append(ReleaseId(name, version))
                except ReleaseError:
                    # Someone keeps other things here too.
                    continue
        return found
