"""What is applied: the rendered `production`, but for where Kafka is and how long the autoscaler waits."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field

from tests.autoscale.secured_kafka import SecuredKafka
from tests.deploy.manifests import Manifests, Object, manifests, rendered
from workers.local.valkey import ValkeyServer

OVERLAY: Final = "production"
NAMESPACE: Final = "rpbert"


class Shortened(BaseModel):
    """How a run's ScaledObject differs from the rendered one, beside the brokers' address."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    most: int = Field(4, ge=2, description="maxReplicaCount: so many workers this machine can run.")
    quiet_seconds: int = Field(45, ge=0, description="scaleDown.stabilizationWindowSeconds.")
    step_seconds: int = Field(15, ge=1, description="periodSeconds of the only scaleDown policy.")


def at(servers: str) -> Manifests:
    """The overlay with its brokers elsewhere."""
    (address,) = {
        trigger["metadata"]["bootstrapServers"]
        for scaled in manifests(OVERLAY).of("ScaledObject")
        for trigger in scaled["spec"]["triggers"]
    }
    text = rendered(OVERLAY).replace(address, servers)
    return Manifests([each for each in yaml.safe_load_all(text) if each])


def shortened(scaled: Object, by: Shortened) -> Object:
    """A ScaledObject for a run of minutes."""
    changed = copy.deepcopy(scaled)
    changed["spec"]["maxReplicaCount"] = by.most
    down = changed["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    down["stabilizationWindowSeconds"] = by.quiet_seconds
    (policy,) = down["policies"]
    policy["periodSeconds"] = by.step_seconds
    return changed


def differences(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """What is unlike in two objects of JSON, as `path: before -> after`."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from differences(before.get(key), after.get(key), f"{path}.{key}" if path else key)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from differences(one, other, f"{path}[{index}]")
    elif before != after:
        yield f"{path}: {before} -> {after}"


def secrets(kafka: SecuredKafka, valkey: ValkeyServer) -> Sequence[Object]:
    """The secrets that `deploy/README.md` asks for, those of Strimzi's user operator included."""
    contents = {
        "kafka-cluster-ca-cert": {"ca.crt": kafka.ca},
        "redis": {"url": valkey.url},
        # The release is on this machine: no store is asked.
        "release-store-read": {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"},
        **{user: {"password": password} for user, password in kafka.passwords.items()},
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "stringData": content,
        }
        for name, content in contents.items()
    ]
