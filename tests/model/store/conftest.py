"""Stores of a test's own: on the disk, in memory, and on a server that speaks S3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import boto3
import pytest
from moto.server import ThreadedMotoServer

from model.store.reference import ReleaseId
from model.store.store import ReleaseStore
from tests.model.store.releases import small_release


@pytest.fixture(scope="session")
def s3_address() -> Iterator[str]:
    """Where a server speaks S3."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def s3_bucket(s3_address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a bucket of a test's own; address and credentials are in the environment, as for users."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ours")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ours")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    name = f"releases-{uuid4().hex[:12]}"
    boto3.client("s3").create_bucket(Bucket=name)
    return f"s3://{name}/store"


@pytest.fixture(params=["file", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ReleaseStore:
    """An empty store: one that we write with rename, one with single PUTs, and one that speaks S3."""
    match request.param:
        case "file":
            return ReleaseStore(str(tmp_path / "store"))
        case "memory":
            return ReleaseStore(f"memory://{uuid4().hex}")
        case _:
            return ReleaseStore(request.getfixturevalue("s3_bucket"))


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
