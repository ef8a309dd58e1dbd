"""Real services for the tests: started when the first test asks, stopped after the last."""

from __future__ import annotations

import re
import sys
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Protocol, TypeVar

import pytest
from kafka import KafkaAdminClient

from tests.command_line import Rpbert, Run
from tests.model.tiny import save_tiny_release
from tests.pipeline import Pipeline, pipeline_on
from tests.refresh import Stage, World, teach
from workers.cli import main
from workers.local.errors import LocalServiceError
from workers.local.kafka import KafkaCluster
from workers.local.picture_host import PictureHost
from workers.local.valkey import ValkeyServer

Service = TypeVar("Service")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files whose tests may take long come first: of two processes none then has a long one to end alone."""
    longest: dict[Path, float] = {}
    for item in items:
        marker = item.get_closest_marker("timeout")
        longest[item.path] = max(longest.get(item.path, 0.0), marker.args[0] if marker else 0.0)
    items.sort(key=lambda item: -longest[item.path])


@contextmanager
def _needed(service: AbstractContextManager[Service]) -> Iterator[Service]:
    """Fails what asked, in one line, when the service cannot start: nothing is skipped in silence."""
    try:
        running = service.__enter__()
    except LocalServiceError as error:
        pytest.fail(str(error), pytrace=False)
    try:
        yield running
    finally:
        service.__exit__(None, None, None)


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaCluster]:
    """One Apache Kafka broker for the whole run. A test that stops it leaves it running again.

    It keeps to access control lists, and lets everyone do what none is about; its bounds for time-outs are
    below those of our settings, so that tests can go beyond.
    """
    strict = {
        "transaction.max.timeout.ms": "600000",
        "group.max.session.timeout.ms": "1200000",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
    }
    with _needed(KafkaCluster(properties=strict)) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def three_brokers() -> Iterator[KafkaCluster]:
    """Three replicating brokers for the tests of one module."""
    with _needed(KafkaCluster(3)) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    """One Valkey server for the whole run; keys of earlier tests may still be in it."""
    with _needed(ValkeyServer()) as server:
        yield server


@pytest.fixture
def picture_host() -> Iterator[PictureHost]:
    """An empty picture host of the test's own."""
    with PictureHost() as host:
        yield host


class MakeTopics(Protocol):
    """Creates topics with names of their own, so that tests share a broker without meeting."""

    def __call__(
        self, *stems: str, partitions: int = 1, cluster: KafkaCluster | None = None, **config: str
    ) -> list[str]:
        """Creates a topic for each stem.

        Args:
            stems: How each name begins, such as `posts.raw`.
            partitions: How many each gets.
            cluster: Where; the session's broker by default.
            config: Topic configuration, dots written as underscores, such as `cleanup_policy`.

        Returns:
            The names, in the order of the stems.
        """


@pytest.fixture
def make_topics(request: pytest.FixtureRequest) -> MakeTopics:
    """See `MakeTopics`."""

    def make(
        *stems: str, partitions: int = 1, cluster: KafkaCluster | None = None, **config: str
    ) -> list[str]:
        on: KafkaCluster = request.getfixturevalue("kafka") if cluster is None else cluster
        test = re.sub(r"[^A-Za-z0-9]+", "-", request.node.name)[:60].strip("-")
        names = [f"{stem}.{test}.{uuid.uuid4().hex[:8]}" for stem in stems]
        configs = {name.replace("_", "."): value for name, value in config.items()}
        admin = KafkaAdminClient(bootstrap_servers=on.bootstrap_servers)
        try:
            admin.create_topics(
                {name: {"num_partitions": partitions, "configs": configs} for name in names},
                wait_for_metadata=True,
            )
        finally:
            admin.close()
        return names

    return make


@pytest.fixture
def topic(make_topics: MakeTopics) -> str:
    """One topic with one partition, this test's own."""
    return make_topics("topic")[0]


@pytest.fixture(scope="session")
def tiny_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See `save_tiny_release`."""
    return save_tiny_release(tmp_path_factory.mktemp("releases") / "tiny")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, tiny_release: Path) -> World:
    """See `teach`."""
    return teach(tmp_path_factory.mktemp("world"), tiny_release)


@pytest.fixture
def stage(world: World, kafka: KafkaCluster, make_topics: MakeTopics, tmp_path: Path) -> Stage:
    """See `Stage`."""
    topics = make_topics("releases", "annotations", cleanup_policy="compact")
    return Stage(world, kafka.bootstrap_servers, topics, tmp_path)


@pytest.fixture
def rpbert(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Rpbert:
    """The command line within this process, which has torch already."""

    def call(*words: str, stdin: str = "", **variables: str) -> Run:
        monkeypatch.setattr(sys, "argv", ["rpbert", *words])
        monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(stdin.encode())))
        monkeypatch.setenv("COLUMNS", "100")
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        capfd.readouterr()
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 0
        captured = capfd.readouterr()
        return Run(status, captured.out, captured.err)

    return call


@pytest.fixture
def pipeline(
    kafka: KafkaCluster, valkey: ValkeyServer, tiny_release: Path, make_topics: MakeTopics, tmp_path: Path
) -> Iterator[Pipeline]:
    """Topics with four partitions and, on demand, workers with the tiny release."""
    topics = make_topics("raw", "entities", "dlq", partitions=4)
    with pipeline_on(
        kafka.bootstrap_servers, topics, redis_url=valkey.url, release=tiny_release, directory=tmp_path
    ) as made:
        yield made
