"""A run that is killed goes on as if nothing had been."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from model.training.checkpoint import list_checkpoints
from model.training.run import train
from model.training.settings import TrainingSettings
from tests.model.training.conftest import Recipe

PATIENCE = 150.0


def words(settings: TrainingSettings) -> list[str]:
    """The command line of settings, places and all."""
    listed = ["train"]
    for name, value in settings:
        if value == TrainingSettings.model_fields[name].default:
            continue
        for each in value if isinstance(value, tuple) else (value,):
            listed += [f"--{name.replace('_', '-')}", str(each)]
    return listed


def report(output: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((output / "report" / "report.json").read_text())
    return read


@pytest.mark.parametrize("rounds", [1, 3])
def test_a_run_killed_at_any_moment_goes_on_to_the_same_end(
    recipe: Recipe, tmp_path: Path, rounds: int
) -> None:
    killed = recipe(tmp_path / "killed", epochs=4, checkpoint_steps=4, rounds=rounds)
    process = subprocess.Popen(
        [sys.executable, "-m", "workers.cli", *words(killed)], env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    deadline = time.monotonic() + PATIENCE
    while len(list_checkpoints(tmp_path / "killed" / "checkpoints")) < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "release").exists()

    train(killed.model_copy(update={"resume": True}))
    train(recipe(tmp_path / "unbroken", epochs=4, checkpoint_steps=1000, rounds=rounds))
    one, other = report(tmp_path / "killed"), report(tmp_path / "unbroken")
    assert one["steps"] == other["steps"]
    assert one["epochs"] == other["epochs"]
    assert one["dev"] == other["dev"]
    weights = [tmp_path / name / "release" / "model.safetensors" for name in ("killed", "unbroken")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
