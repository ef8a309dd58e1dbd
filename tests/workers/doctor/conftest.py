"""The doctor called as its user calls it, on topics and a group of the test's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourceType,
)

from tests.command_line import Rpbert
from workers.local.kafka import KafkaCluster
from workers.local.valkey import ValkeyServer


@dataclass(frozen=True)
class Examined:
    status: int
    findings: list[dict[str, str]]

    def of(self, check: str, verdict: str) -> list[str]:
        """What a check says with this verdict, each with what to do."""
        return [
            f"{each['says']} -> {each['do']}"
            for each in self.findings
            if (each["check"], each["verdict"]) == (check, verdict)
        ]

    @property
    def failing(self) -> set[str]:
        return {each["check"] for each in self.findings if each["verdict"] == "fail"}


Doctor = Callable[..., Examined]


@pytest.fixture
def topics(make_topics: Callable[..., list[str]]) -> list[str]:
    """Input, output and dead letters; the first is the group's name too."""
    return [
        *make_topics("raw", "entities", partitions=2),
        *make_topics("dlq", partitions=2, max_message_bytes="2097176"),
    ]


@pytest.fixture
def words(kafka: KafkaCluster, valkey: ValkeyServer, topics: list[str], tiny_release: Path) -> list[str]:
    raw, entities, dead = topics
    return [
        *("--bootstrap-servers", kafka.bootstrap_servers, "--redis-url", valkey.url),
        *("--input-topic", raw, "--output-topic", entities, "--dead-letter-topic", dead),
        *("--group-id", raw, "--release", str(tiny_release), "--device", "cpu"),
    ]


@pytest.fixture
def doctor(rpbert: Rpbert, words: list[str]) -> Doctor:
    def examine(*further: str) -> Examined:
        # A flag given again replaces the one before.
        flags = dict(zip(words[::2], words[1::2], strict=True)) | dict(
            zip(further[::2], further[1::2], strict=True)
        )
        run = rpbert("doctor", "--json", *(word for pair in flags.items() for word in pair))
        content = json.loads(run.output)
        assert content["passes"] is (run.status == 0)
        return Examined(run.status, content["findings"])

    return examine


@pytest.fixture
def admin(kafka: KafkaCluster) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    yield client
    client.close()


@pytest.fixture
def allow_only(admin: KafkaAdminClient) -> Callable[..., None]:
    """Leaves us these rights on a resource and takes all others."""

    def allow(
        kind: ResourceType,
        name: str,
        *rights: ACLOperation,
        pattern: ACLResourcePatternType = ACLResourcePatternType.LITERAL,
    ) -> None:
        resource = ResourcePattern(kind, name, pattern)
        ours = [ACL("User:ANONYMOUS", "*", each, ACLPermissionType.ALLOW, resource) for each in rights]
        another = ACL("User:another", "*", ACLOperation.ALL, ACLPermissionType.ALLOW, resource)
        assert admin.create_acls([*ours, another])["failed"] == []

    return allow
