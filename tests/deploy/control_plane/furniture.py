"""What the overlays need of a cluster: the custom kinds, nodes, volumes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from tests.deploy.control_plane.cluster import Cluster

CRDS: Final = sorted((Path(__file__).parents[1] / "crds").glob("*.yaml"))
_GPU: Final = "nvidia.com/gpu"


def furnish(cluster: Cluster, kinds: Sequence[Path] = CRDS) -> None:
    """Give a cluster one node without GPUs, two with eight, and volumes; kinds by their files."""
    for path in kinds:
        cluster.apply([each for each in yaml.safe_load_all(path.read_text("utf-8")) if each])
    cluster.kubectl("wait", "crd", "--all", "--for=condition=established", "--timeout=60s")
    cluster.apply([_node("cpu", gpus=0), *(_node(f"gpu-{number}", gpus=8) for number in range(2))])
    cluster.apply([_volume(f"volume-{number}") for number in range(8)])


def _node(name: str, *, gpus: int) -> dict[str, Any]:
    room = {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "500Gi", "pods": "110"}
    if gpus:
        room[_GPU] = str(gpus)
    taints = [{"key": _GPU, "effect": "NoSchedule"}] if gpus else []
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {"taints": taints},
        "status": {"allocatable": room, "capacity": room},
    }


def _volume(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "100Gi"},
            "hostPath": {"path": f"/nowhere/{name}"},
        },
    }
