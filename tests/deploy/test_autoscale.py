"""What `make test-autoscale` applies is what is rendered, but for what it says."""

from __future__ import annotations

from tests.autoscale.objects import OVERLAY, Shortened, at, differences, shortened
from tests.deploy.manifests import Manifests, manifests

_SERVERS = "127.0.0.1:20001"
_DOWN = "spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleDown"


def test_only_address_number_and_waits_of_the_autoscaler_are_changed(production: Manifests) -> None:
    (rendered,) = production.of("ScaledObject")
    (elsewhere,) = at(_SERVERS).of("ScaledObject")
    applied = shortened(elsewhere, Shortened(most=4, quiet_seconds=45, step_seconds=15))
    assert list(differences(rendered, applied)) == [
        f"{_DOWN}.policies[0].periodSeconds: 120 -> 15",
        f"{_DOWN}.stabilizationWindowSeconds: 600 -> 45",
        "spec.maxReplicaCount: 24 -> 4",
        f"spec.triggers[0].metadata.bootstrapServers: kafka-kafka-bootstrap.kafka.svc:9093 -> {_SERVERS}",
    ]


def test_of_the_rest_only_the_workers_address_is_changed() -> None:
    before, after = (
        {(each["kind"], each["metadata"]["name"]): each for each in found.objects}
        for found in (manifests(OVERLAY), at(_SERVERS))
    )
    changed = {name: list(differences(before[name], after[name])) for name in before if name in after}
    assert before.keys() == after.keys()
    assert {kind for (kind, _), found in changed.items() if found} == {"ScaledObject", "ConfigMap"}
