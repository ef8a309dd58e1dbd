"""What a user may ask of a run, and how a wrong wish is answered."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from model.training.settings import TrainingSettings

FILES = {"train": (Path("/a/b/train.txt"),), "dev": (Path("/a/b/valid.txt"),), "output": Path("/a/runs/x")}


@pytest.mark.parametrize(
    ("wish", "answer"),
    [
        ({"preset": "tiny"}, "there is no preset 'tiny': give one of paper"),
        ({"initial_release": "small", "preset": "small"}, "brings its own network: leave out --preset"),
        ({"untrained": True, "encoder": Path("bert")}, "--untrained starts from random weights"),
        ({"relation": Path("a.csv")}, "--relation-texts and --relation-images is missing"),
        ({"vision": "tuned"}, "--vision tuned needs pictures: give --images"),
        ({"test": (Path("test.txt"),)}, "Extra inputs are not permitted"),
    ],
)
def test_a_wish_that_can_t_be_met_is_answered(wish: dict[str, object], answer: str) -> None:
    with pytest.raises(ValidationError, match=answer):
        TrainingSettings.model_validate(FILES | wish)


def test_the_command_line_of_a_run_tells_no_place_of_its_machine() -> None:
    settings = TrainingSettings.model_validate(
        FILES | {"untrained": True, "initial_release": None, "images": (Path("/home/me/x/y"),), "seed": 3}
    )
    assert settings.command() == (
        "rpbert train \\\n  --train b/train.txt \\\n  --dev b/valid.txt \\\n  --images x/y \\\n"
        "  --output runs/x \\\n  --untrained \\\n  --seed 3"
    )
    begun = TrainingSettings.model_validate(FILES | {"initial_release": "/home/me/runs/x"})
    assert "--initial-release runs/x" in begun.command()


def test_a_run_is_the_same_wherever_its_files_lie() -> None:
    here = TrainingSettings.model_validate(FILES)
    there = here.model_copy(
        update={"output": Path("/elsewhere"), "train": (Path("/c/train.txt"),), "resume": True}
    )
    assert here.recipe() == there.recipe()
    assert here.recipe() != here.model_copy(update={"seed": 2}).recipe()


def test_settings_and_help_wait_for_no_torch() -> None:
    script = "import sys, workers.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
