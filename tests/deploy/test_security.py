"""What a pod may do, and whom it may speak to."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from tests.deploy.manifests import Manifests
from tests.deploy.processes import OURS


def test_no_pod_has_a_token_for_the_api_or_service_links(overlay: Manifests) -> None:
    for pod in overlay.pods():
        assert pod.spec["automountServiceAccountToken"] is False
        # A Service `rpbert-viewer` would set RPBERT_VIEWER_PORT, which is a setting.
        assert pod.spec["enableServiceLinks"] is False


def test_containers_are_bounded_and_ours_write_to_volumes_alone(overlay: Manifests) -> None:
    for pod in overlay.pods():
        for container in pod.containers:
            assert "memory" in container["resources"]["limits"]
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            if container["image"].startswith(OURS):
                assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_the_namespace_enforces_the_restricted_standard(overlay: Manifests) -> None:
    (namespace,) = overlay.of("Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_every_pod_is_refused_what_no_policy_allows(production: Manifests) -> None:
    default = production.one("NetworkPolicy", "default")["spec"]
    assert default["podSelector"] == {}
    assert set(default["policyTypes"]) == {"Ingress", "Egress"}
    assert "ingress" not in default


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("0.1.2.3", False),
        ("fd00:ec2::254", False),
        ("fe80::1", False),
        ("::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False),
    ],
)
def test_pictures_come_from_the_internet_alone(production: Manifests, address: str, *, allowed: bool) -> None:
    (rule,) = production.one("NetworkPolicy", "internet")["spec"]["egress"]
    target = ip_address(address)
    let_through = any(
        target in ip_network(block["cidr"])
        and not any(target in ip_network(hole) for hole in block.get("except", []))
        for block in (peer["ipBlock"] for peer in rule["to"])
    )
    assert let_through is allowed
    assert {port["port"] for port in rule["ports"]} == {80, 443}
