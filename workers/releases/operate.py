"""`rpbert releases publish | rollback | prune | keygen`: what changes a store."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from json import dumps
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from kafka.errors import KafkaError

from model.golden import read_golden, write_golden
from model.manifest import GOLDEN, ReleaseError, verify_directory
from model.signing import make_keys, read_private_key
from model.store.channel import Channel, Entry
from model.store.prune import plan_pruning, prune
from model.store.reference import ReleaseId
from model.store.store import ReleaseStore
from workers.errors import SetupError
from workers.progress import bar
from workers.releases.announcement import Announcer, announcements
from workers.render import plain
from workers.settings import KafkaSettings, StoreSettings


@contextmanager
def told() -> Iterator[None]:
    """Makes what is wrong with a release or a store the end of the command."""
    try:
        yield
    except ReleaseError as error:
        raise SetupError(str(error)) from error


def publish_and_print(
    source: str,
    stores: StoreSettings,
    kafka: KafkaSettings,
    *,
    channel: str,
    reason: str,
    by: str | None,
    signing_key: Path | None,
    golden: Path | None,
    again: bool,
    as_json: bool,
) -> None:
    """Put a release into a store, point a channel at it, and announce it.

    Raises:
        SetupError: the release can't be served, the store or Kafka fails.
    """
    with told():
        key = None if signing_key is None else read_private_key(signing_key)
        store = ReleaseStore(stores.store)
        # A channel that can't be read is to be known before anything is copied.
        store.channel(channel)
        with _announcer(kafka) as announcer, _loadable(source, golden) as directory:
            if directory is None:
                release = _in_store(source)
                if key is not None:
                    store.sign(release, key)
            else:
                size = sum(each.stat().st_size for each in directory.iterdir())
                with bar(f"copying to {store.url}", size, of_bytes=True) as copying:
                    release = store.add(directory, key=key, sent=copying.step)
            # What arrived, not what was sent.
            verify(store, release, None if key is None else key.public_key())
            _change(
                store,
                channel,
                lambda: store.point(channel, release, by=by or me(), reason=reason, again=again),
                announcer,
                as_json=as_json,
            )


def roll_back_and_print(
    stores: StoreSettings,
    kafka: KafkaSettings,
    *,
    channel: str,
    reason: str,
    by: str | None,
    as_json: bool,
) -> None:
    """Point a channel at the release it had before, and announce it.

    Raises:
        SetupError: there is none before, the store or Kafka fails.
    """
    with told():
        store = ReleaseStore(stores.store)
        with _announcer(kafka) as announcer:
            _change(
                store,
                channel,
                lambda: store.roll_back(channel, by=by or me(), reason=reason),
                announcer,
                as_json=as_json,
            )


def prune_and_print(stores: StoreSettings, *, keep: int, execute: bool, as_json: bool) -> None:
    """Print what a store no longer needs; with `execute`, remove it.

    Raises:
        SetupError: the store fails.
    """
    with told():
        store = ReleaseStore(stores.store)
        plan = plan_pruning(store, keep)
        if execute:
            prune(store, plan)
    if as_json:
        content = {
            "releases": [str(each) for each in plan.releases],
            "unfinished": [str(each) for each in plan.unfinished],
            "removed": execute,
        }
        sys.stdout.write(dumps(content) + "\n")
        return
    said = "removed" if execute else "would remove"
    lines = [f"{said} {each}" for each in plan.releases]
    lines += [f"{said} {each}, which was never finished" for each in plan.unfinished]
    if not lines:
        lines = [f"{said} nothing"]
    elif not execute:
        lines.append("nothing has been removed; add --execute to remove")
    sys.stdout.writelines(f"{line}\n" for line in lines)


def make_keys_and_print(path: Path, *, as_json: bool) -> None:
    """Write a pair of keys.

    Raises:
        SetupError: a file is there already, or can't be written.
    """
    with told():
        public = make_keys(path)
    if as_json:
        sys.stdout.write(dumps({"private_key": str(path), "public_key": str(public)}) + "\n")
        return
    sys.stdout.write(
        f"{path}: the private key, for --signing-key; keep it secret\n"
        f"{public}: the public key, for --public-key; give it to whoever serves\n"
    )


def _change(
    store: ReleaseStore,
    channel: str,
    change: Callable[[], Channel],
    announcer: Announcer | None,
    *,
    as_json: bool,
) -> None:
    before = store.channel(channel).current
    change()
    after = store.current(channel)
    if announcer is not None:
        try:
            announcer.announce(announcements(store, channel))
        except KafkaError as error:
            raise SetupError(
                f"{channel} points to {after.release}, but Kafka did not take the announcement "
                f"({type(error).__name__}); announce it by "
                f"`rpbert releases publish {after.release} --channel {channel}`"
            ) from error
    _print_change(store, channel, before, after, announced=announcer is not None, as_json=as_json)


def _print_change(
    store: ReleaseStore,
    channel: str,
    before: Entry | None,
    after: Entry,
    *,
    announced: bool,
    as_json: bool,
) -> None:
    if as_json:
        content = {
            "channel": channel,
            "release": str(after.release),
            "before": None if before is None else str(before.release),
            "location": f"{store.url}/{after.release}",
            "manifest_sha256": after.manifest_sha256,
            "announced": announced,
        }
        sys.stdout.write(dumps(content) + "\n")
        return
    was = "nothing" if before is None else str(before.release)
    how = f"it was {was}" if before != after else "as it did"
    note = ", announced" if announced else ", not announced: no --bootstrap-servers given"
    sys.stdout.write(plain(f"{channel} points to {after.release} ({how}){note}") + "\n")


@contextmanager
def _announcer(kafka: KafkaSettings) -> Iterator[Announcer | None]:
    with Announcer.connected(kafka) if kafka.names_brokers else nullcontext() as announcer:
        yield announcer


@contextmanager
def _loadable(source: str, golden: Path | None) -> Iterator[Path | None]:
    """The directory of a release on this machine after it has tagged here; None if there is none."""
    # It imports torch, which rolling back need not wait for.
    from model.inference import Tagger  # noqa: PLC0415
    from model.release import local_release  # noqa: PLC0415

    directory = local_release(source)
    if directory is None and golden is not None:
        raise ReleaseError(
            f"golden posts belong to a release's files, and {source!r} is no directory of one; publish its "
            "directory under another version"
        )
    with (
        nullcontext(directory)
        if golden is None or directory is None
        else _with_golden(directory, golden) as loadable
    ):
        if loadable is not None:
            Tagger.load(str(loadable), device="cpu").rehearse(posts=1, tokens=1)
        yield loadable


@contextmanager
def _with_golden(directory: Path, golden: Path) -> Iterator[Path]:
    """A copy of a release that holds these golden posts."""
    from model.release import seal  # noqa: PLC0415

    manifest, posts = verify_directory(directory), read_golden(golden)
    with TemporaryDirectory(prefix="rpbert-release-") as folder:
        copy = Path(folder) / "release"
        shutil.copytree(directory, copy)
        write_golden(copy / GOLDEN, posts)
        seal(copy, name=manifest.name, version=manifest.version)
        yield copy


def _in_store(source: str) -> ReleaseId:
    try:
        return ReleaseId.parse(source)
    except ReleaseError:
        raise ReleaseError(
            f"there is no release {source!r}: give its directory, the name of a packaged one, or "
            "NAME/VERSION of one that the store has"
        ) from None


def verify(store: ReleaseStore, release: ReleaseId, key: Ed25519PublicKey | None) -> None:
    """Read every byte of a release in a store, and show how far that is.

    Raises:
        ReleaseError: see `ReleaseStore.verify`.
    """
    with bar(f"verifying {release}", store.size(release), of_bytes=True) as verifying:
        store.verify(release, key=key, read=verifying.step)


def me() -> str:
    """Who runs this, for the history: `user@machine`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # In a container the number may have no name.
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
