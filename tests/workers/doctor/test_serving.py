"""Release, device and pictures."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from tests.workers.doctor.conftest import Doctor
from workers.local.picture_host import PictureHost
from workers.local.samples import picture_bytes


def test_a_release_that_is_damaged(doctor: Doctor, tiny_release: Path, tmp_path: Path) -> None:
    damaged = shutil.copytree(tiny_release, tmp_path / "damaged")
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\xff")
    seen = doctor("--release", str(damaged))
    assert seen.failing == {"release"}
    assert "model.safetensors" in seen.of("release", "fail")[0]


def test_a_device_that_is_not_to_be_had(doctor: Doctor) -> None:
    seen = doctor("--device", "cuda:99")
    assert seen.failing == {"device", "release"}
    assert "cuda:99" in seen.of("device", "fail")[0]


def test_a_gpu_that_the_driver_does_not_give(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (node := tmp_path / "nvidia0").touch()
    monkeypatch.setattr("workers.doctor.serving._NVIDIA", node)
    (said,) = doctor("--device", "auto").of("device", "warn")
    assert "there is an NVIDIA GPU, and PyTorch can't use it" in said
    # Who asked for the CPU has it.
    assert doctor("--device", "cpu").of("device", "warn") == []


def test_a_picture_is_fetched_past_the_guard(doctor: Doctor, picture_host: PictureHost) -> None:
    url = picture_host.add("rocket.jpg", picture_bytes("rocket.jpg"))
    refused = doctor("--picture-url", url)
    assert refused.failing == {"pictures"}
    assert "--allow-network" in refused.of("pictures", "fail")[0]
    allowed = doctor("--picture-url", url, "--allow-network", "127.0.0.0/8")
    assert "bytes in" in allowed.of("pictures", "ok")[0]
    missing = doctor("--picture-url", f"{url}.not", "--allow-network", "127.0.0.0/8")
    assert "http error" in missing.of("pictures", "fail")[0]
