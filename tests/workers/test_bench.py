from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.command_line import Rpbert

CLONE = Path(__file__).parents[2]


def test_each_bench_is_listed_with_what_it_measures(rpbert: Rpbert) -> None:
    run = rpbert("bench", "--help")
    assert run.status == 0
    assert "pictures  What pictures cost" in run.output


@pytest.mark.parametrize(
    ("bench", "flag"),
    [
        ("latency", "--loads"),
        ("model", "--tried"),
        ("padding", "--posts"),
        ("peers", "--only"),
        ("pictures", "--turns"),
        ("pipeline", "--stand-in"),
        ("scale", "--workers"),
        ("stages", "--turns"),
    ],
)
def test_each_bench_tells_its_flags(rpbert: Rpbert, bench: str, flag: str) -> None:
    run = rpbert("bench", bench, "--help")
    assert run.status == 0
    assert flag in run.output
    assert "--output" in run.output


def test_away_from_a_clone_the_user_is_told_to_make_one(tmp_path: Path) -> None:
    """As the wheel is installed: its packages without `bench/`."""
    for package in ("schemas", "model", "workers"):
        (tmp_path / package).symlink_to(CLONE / package)
    ended = subprocess.run(
        [sys.executable, "-m", "workers.cli", "bench", "pictures"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert (
        ended.stderr.strip()
        == "rpbert: rpbert bench runs from a clone: clone the repository, `make bench` there"
    )
