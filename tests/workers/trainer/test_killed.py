import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.refresh import Stage, annotated, new_post
from workers.releases.board import Board


@pytest.mark.timeout(900)
def test_a_trainer_that_is_killed_leaves_no_half_release_and_is_gone_on_with(stage: Stage) -> None:
    """At ten random touches of the disk, five of them while the store is written."""
    stage.annotate(annotated([new_post(random.Random(seed)) for seed in range(20)]))
    # That every candidate is published is what is wanted here.
    words = stage.words(f1_tolerance=1, type_tolerance=1, held_out_share=0, epochs=1, checkpoint_steps=2)
    run = subprocess.run(
        [
            *(sys.executable, "-m", "tests.workers.trainer.killed_runs"),
            *(json.dumps(words), str(stage.directory), stage.store.url),
        ],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout.splitlines()[-1])["kills"] == 10
    # Nobody was told of anything else than what is in service in the end.
    current = stage.store.current("stable")
    announced = Board.read(stage.kafka).channels["stable"]
    assert (announced.version, announced.manifest_sha256) == (current.version, current.manifest_sha256)
