"""Stores of a test's own, on the disk and in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from model.store.reference import ReleaseId
from model.store.store import ReleaseStore
from tests.model.store.releases import small_release


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ReleaseStore:
    """An empty store: one that we write with rename, and one with single PUTs as object stores have."""
    return ReleaseStore(str(tmp_path / "store") if request.param == "file" else f"memory://{uuid4().hex}")


Publish = Callable[..., ReleaseId]


@pytest.fixture
def publish(store: ReleaseStore, tmp_path: Path) -> Publish:
    """Adds a release of a version to the store, and points a channel at it."""

    def publish(version: str, *, channel: str | None = "stable", name: str = "small") -> ReleaseId:
        release = store.add(small_release(tmp_path / f"{name}-{version}", version, name=name))
        if channel is not None:
            store.point(channel, release, by="ada", reason=f"{version} is better")
        return release

    return publish
