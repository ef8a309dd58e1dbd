"""Two processes that share each batch come to what one comes to."""

import os
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from model.training.run import train
from tests.model.training.conftest import Recipe
from tests.model.training.test_resume import report, words


def test_two_processes_learn_what_one_learns(recipe: Recipe, tmp_path: Path) -> None:
    """22 posts in batches of 3: the shares differ, and of the last batch one process has nothing."""
    changed = {"still": True, "epochs": 2, "batch_size": 3, "relation_batch_size": 3, "head_rate": 1e-2}
    two = recipe(tmp_path / "two", **changed)
    launcher = ["torch.distributed.run", "--nproc-per-node", "2", "--standalone", "-m", "workers.cli"]
    ended = subprocess.run(
        [sys.executable, "-m", *launcher, *words(two)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("epoch 1:") == 1
    train(recipe(tmp_path / "one", **changed))
    one, both = report(tmp_path / "one"), report(tmp_path / "two")
    assert (one["environment"]["processes"], both["environment"]["processes"]) == (1, 2)
    for ours, theirs in zip(one["steps"], both["steps"], strict=True):
        assert ours[:2] == theirs[:2]
        torch.testing.assert_close(torch.tensor(ours[2:]), torch.tensor(theirs[2:]), atol=1e-4, rtol=1e-4)
    weights = [load_file(tmp_path / name / "release" / "model.safetensors") for name in ("one", "two")]
    for name, weight in weights[0].items():
        if name.endswith("key_value.bias"):
            # A key's bias moves all scores of a row alike: its gradient is rounding and nothing else.
            continue
        torch.testing.assert_close(weight.float(), weights[1][name].float(), atol=1e-4, rtol=1e-3)
