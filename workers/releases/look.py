"""`rpbert releases list | show | verify`: a store is read and nothing is written."""

from __future__ import annotations

import sys
from json import dumps
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Column
from rich.text import Text

from model.manifest import ReleaseError
from model.signing import read_public_key
from model.store.reference import ReleaseId, read_target
from model.store.store import ReleaseStore
from schemas import ModelRelease
from workers.errors import SetupError
from workers.releases.board import Board
from workers.releases.operate import told, verify
from workers.render import plain
from workers.settings import KafkaSettings, StoreSettings
from workers.tables import print_table

_COLUMNS = ("release", "published", "channels", "signed", "mark")


def list_and_print(stores: StoreSettings, kafka: KafkaSettings, *, as_json: bool) -> None:
    """Print the complete releases of a store; with Kafka, also the marks on them.

    Raises:
        SetupError: the store or Kafka doesn't answer.
    """
    with told():
        store = ReleaseStore(stores.store)
        board = Board.read(kafka) if kafka.names_brokers else Board()
        channels = {name: store.channel(name).current for name in store.channels()}
        rows = [
            _row(
                store,
                release,
                [name for name, entry in channels.items() if entry and entry.release == release],
                board.mark(str(release)),
            )
            for release in store.releases()
        ]
        unfinished = store.unfinished()
    if as_json:
        sys.stdout.writelines(dumps(row) + "\n" for row in rows)
    elif rows:
        _print_table(rows)
    notes = Console(stderr=True, highlight=False, soft_wrap=True)
    if not rows:
        notes.print(f"no releases in {store.url}", markup=False)
    if unfinished:
        notes.print(
            f"not finished, and not listed: {', '.join(map(str, unfinished))}; see `rpbert releases prune`",
            markup=False,
        )


def show_and_print(target: str, stores: StoreSettings, *, as_json: bool) -> None:
    """Print a release with its files, or a channel with its history.

    Raises:
        SetupError: there is none, or the store doesn't answer.
    """
    with told():
        store = ReleaseStore(stores.store)
        named = read_target(target)
        content = _release(store, named) if isinstance(named, ReleaseId) else _channel(store, named)
    if as_json:
        sys.stdout.write(dumps(content) + "\n")
        return
    console = Console(highlight=False)
    for name, value in content.items():
        if isinstance(value, dict):
            lines = [f"{name}:", *(f"  {key}: {each}" for key, each in value.items())]
        elif isinstance(value, list):
            lines = [f"{name}:", *(f"  {_said(entry)}" for entry in value)]
        else:
            lines = [f"{name}: {'none' if value is None else value}"]
        for line in lines:
            console.print(Text(plain(line)), soft_wrap=True)


def verify_and_print(
    targets: tuple[str, ...], stores: StoreSettings, *, public_key: Path | None, as_json: bool
) -> None:
    """Read every byte of releases and print whether each is what its manifest says.

    Raises:
        SetupError: one is not, or the store doesn't answer.
    """
    with told():
        key = None if public_key is None else read_public_key(public_key)
        store = ReleaseStore(stores.store)
        releases = [_named(store, target) for target in targets] or store.releases()
        wrong = []
        for release in releases:
            try:
                verify(store, release, key)
                said = None
            except ReleaseError as error:
                said = str(error)
                wrong.append(release)
            if as_json:
                sys.stdout.write(dumps({"release": str(release), "ok": said is None, "error": said}) + "\n")
            else:
                sys.stdout.write(f"{release}: {'ok' if said is None else plain(said)}\n")
    if wrong:
        raise SetupError(
            f"{len(wrong)} of {len(releases)} releases are not what they should be: "
            f"{', '.join(map(str, wrong))}; don't serve them"
        )


def _named(store: ReleaseStore, target: str) -> ReleaseId:
    named = read_target(target)
    return named if isinstance(named, ReleaseId) else store.current(named).release


def _row(
    store: ReleaseStore, release: ReleaseId, channels: list[str], mark: ModelRelease | None
) -> dict[str, Any]:
    sealed, published = store.sealed(release), store.published(release)
    return {
        "name": release.name,
        "version": release.version,
        "published": published and published.isoformat(),
        "channels": channels,
        "signed": sealed.signature is not None,
        "manifest_sha256": sealed.sha256,
        "mark": mark and mark.model_dump(mode="json"),
    }


def _print_table(rows: list[dict[str, Any]]) -> None:
    cells = [
        [
            f"{row['name']}/{row['version']}",
            f"{(row['published'] or '')[:19].replace('T', ' ')}Z",
            ", ".join(row["channels"]),
            "signed" if row["signed"] else "",
            plain(f"{row['mark']['mark']}: {row['mark']['reason']}") if row["mark"] else "",
        ]
        for row in rows
    ]
    print_table(Console(highlight=False), [Column(name, overflow="fold") for name in _COLUMNS], cells)


def _release(store: ReleaseStore, release: ReleaseId) -> dict[str, Any]:
    sealed, published = store.sealed(release), store.published(release)
    return {
        "release": str(release),
        "location": f"{store.url}/{release}",
        "published": published and published.isoformat(),
        "manifest_sha256": sealed.sha256,
        "signature": sealed.signature,
        "files": dict(sealed.manifest.files),
    }


def _channel(store: ReleaseStore, channel: str) -> dict[str, Any]:
    current, previous = store.current(channel), store.channel(channel).previous
    return {
        "channel": channel,
        "release": str(current.release),
        "location": f"{store.url}/{current.release}",
        "manifest_sha256": current.manifest_sha256,
        "rollback_to": None if previous is None else str(previous.release),
        "history": [entry.model_dump(mode="json") for entry in store.channel(channel).entries],
    }


def _said(entry: dict[str, Any]) -> str:
    pointed, withdrawn = entry["pointed"], entry["withdrawn"]
    line = f"{pointed['at'][:19]}Z {entry['name']}/{entry['version']} by {pointed['by']}"
    if pointed["reason"]:
        line += f": {pointed['reason']}"
    if withdrawn:
        line += f"; rolled back {withdrawn['at'][:19]}Z by {withdrawn['by']}: {withdrawn['reason']}"
    return line
