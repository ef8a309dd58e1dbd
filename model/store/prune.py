"""What a store no longer needs: old versions, and what was broken off."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from model.manifest import MANIFEST
from model.store.reference import ReleaseId
from model.store.store import ReleaseStore

# Longer than any upload lasts: what was begun since then may still be under way.
_UNFINISHED: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Pruning:
    """What goes."""

    releases: tuple[ReleaseId, ...]
    unfinished: tuple[ReleaseId, ...]


def plan_pruning(store: ReleaseStore, keep: int) -> Pruning:
    """Choose what goes: of each name all but the newest versions, and what was broken off a day ago.

    Whatever a channel points to, or would after a rollback, stays.

    Args:
        store: the store.
        keep: how many versions of each name stay.

    Raises:
        ReleaseError: the store doesn't answer.
    """
    needed = _needed(store)
    versions: dict[str, list[ReleaseId]] = defaultdict(list)
    for release in store.releases():
        versions[release.name].append(release)
    old = [release for each in versions.values() for release in each[:-keep] if release not in needed]
    before = datetime.now(UTC) - _UNFINISHED
    left = [release for release in store.unfinished() if _begun(store, release) < before]
    return Pruning(tuple(old), tuple(left))


def prune(store: ReleaseStore, pruning: Pruning) -> None:
    """Remove what was chosen, each manifest first, so that no half version is ever listed.

    Raises:
        ReleaseError: the store doesn't let something go; what was removed before is gone.
    """
    for release in (*pruning.releases, *pruning.unfinished):
        # Pointed to meanwhile, as when somebody publishes it again.
        if release in _needed(store):
            continue
        store.files.remove(f"{release}/{MANIFEST}")
        store.files.remove(str(release))
    store.files.remove_parts(datetime.now(UTC) - _UNFINISHED)


def _needed(store: ReleaseStore) -> set[ReleaseId]:
    channels = [store.channel(name) for name in store.channels()]
    return {
        entry.release for each in channels for entry in (each.current, each.previous) if entry is not None
    }


def _begun(store: ReleaseStore, release: ReleaseId) -> datetime:
    """When something was last written to an unfinished version."""
    keys = [f"{release}/{name}" for name in store.files.names(str(release))] or [str(release)]
    times = [at for key in keys if (at := store.files.modified(key)) is not None]
    return max(times, default=datetime.min.replace(tzinfo=UTC))
