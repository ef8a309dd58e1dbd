import os
import random
import subprocess
import sys

import pytest

from tests.refresh import Stage, annotated, new_post


@pytest.mark.timeout(600)
def test_of_two_processes_one_decides_and_both_train(stage: Stage) -> None:
    stage.annotate(annotated([new_post(random.Random(seed)) for seed in range(20)]))
    words = stage.words(f1_tolerance=1, type_tolerance=1, held_out_share=0, epochs=1)
    launcher = ["torch.distributed.run", "--nproc-per-node", "2", "--standalone", "-m", "workers.cli"]
    run = subprocess.run(
        [sys.executable, "-m", *launcher, *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr.count("published tiny/1.1.0") == 1
    (report,) = stage.reports()
    assert report["training"]["environment"]["processes"] == 2
    assert stage.served().version == "1.1.0"
