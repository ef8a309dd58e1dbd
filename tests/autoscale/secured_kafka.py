"""A broker as `production` expects it: TLS, SCRAM, each user with the rights of its `KafkaUser` alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from typing import Final

from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from tests.deploy.control_plane.certificates import Authority
from tests.deploy.manifests import Manifests, Object
from workers.local.kafka import KafkaCluster
from workers.local.ports import LOOPBACK, free_ports

_SCRAM: Final = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
_TYPES: Final = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactionalId": ResourceType.TRANSACTIONAL_ID,
}
# How Kafka itself names what Strimzi writes as DescribeConfigs.
_OPERATIONS: Final = {each.name.replace("_", ""): each for each in ACLOperation}


@dataclass(frozen=True, slots=True)
class SecuredKafka:
    """A running broker.

    Attributes:
        bootstrap_servers: the listener that production's clients use.
        open_servers: a listener without TLS or users, which may do all: for those who watch.
        ca: the authority of the broker's certificate, PEM.
        passwords: by user.
    """

    bootstrap_servers: str
    open_servers: str
    ca: str
    passwords: Mapping[str, str]


@contextmanager
def secured_kafka(manifests: Manifests, directory: Path) -> Iterator[SecuredKafka]:
    """Start one with the topics and users of the manifests; replication is 1."""
    client, secure, controller = free_ports(3)
    authority = Authority()
    keys = authority.issue(directory / "broker", "kafka")
    properties = {
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller}",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{client},SECURE://{LOOPBACK}:{secure},"
        f"CONTROLLER://{LOOPBACK}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{client},SECURE://{LOOPBACK}:{secure}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.secure.scram-sha-512.sasl.jaas.config": _SCRAM,
        "listener.name.secure.ssl.keystore.type": "PEM",
        "listener.name.secure.ssl.keystore.location": f"{keys}/both.pem",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }
    users = {each["metadata"]["name"]: each for each in manifests.of("KafkaUser")}
    with KafkaCluster(port=client, properties=properties) as kafka:
        passwords = {name: token_urlsafe() for name in users}
        with closing(KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)) as admin:
            refused = admin.alter_user_scram_credentials(
                [
                    UserScramCredentialUpsertion(name, ScramMechanism.SCRAM_SHA_512, password)
                    for name, password in passwords.items()
                ]
            )
            assert not any(refused.values()), refused
            made = admin.create_acls([right for name, user in users.items() for right in _rights(name, user)])
            assert not made["failed"], made
            topics = {each["metadata"]["name"]: each["spec"] for each in manifests.of("KafkaTopic")}
            admin.create_topics(
                {name: {"num_partitions": spec["partitions"]} for name, spec in topics.items()},
                wait_for_metadata=True,
            )
        yield SecuredKafka(f"{LOOPBACK}:{secure}", kafka.bootstrap_servers, authority.pem, passwords)


def _rights(name: str, user: Object) -> Iterator[ACL]:
    for rule in user["spec"]["authorization"]["acls"]:
        resource = rule["resource"]
        prefixed = resource.get("patternType") == "prefix"
        kind = ACLResourcePatternType.PREFIXED if prefixed else ACLResourcePatternType.LITERAL
        pattern = ResourcePattern(_TYPES[resource["type"]], resource["name"], kind)
        for operation in rule["operations"]:
            allowed = _OPERATIONS[operation.upper()]
            yield ACL(f"User:{name}", "*", allowed, ACLPermissionType.ALLOW, pattern)
