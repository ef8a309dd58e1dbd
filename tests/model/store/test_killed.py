import subprocess
import sys
from pathlib import Path

from tests.model.store.releases import small_release


def test_a_publish_that_is_killed_leaves_no_half_release_to_be_seen(tmp_path: Path) -> None:
    """At every step that touches the disk, and twenty times at a random moment."""
    sources = [small_release(tmp_path / str(number), str(number)) for number in range(22)]
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.model.store.killed_publish",
            str(tmp_path / "store"),
            *map(str, sources),
        ],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    points, moments = map(int, run.stdout.split())
    # Four files, the manifest and the channel, each with several steps.
    assert points >= 20
    # On a loaded machine some are through before their moment comes.
    assert moments >= 1
