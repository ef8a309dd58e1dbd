import subprocess
import sys
from pathlib import Path

from tests import attacks

_PROGRAM = "import sys; from tests.attacks import collect, render; sys.stdout.write(render(collect()))"


def test_the_page_of_attacks_is_that_of_the_tests() -> None:
    """When this fails: `python -m tests.attacks`, and commit what changed."""
    # In a process of its own: pytest does not run within pytest.
    root = Path(attacks.__file__).parents[1]
    run = subprocess.run([sys.executable, "-c", _PROGRAM], check=True, cwd=root, capture_output=True)
    assert attacks.PAGE.read_text("utf-8") == run.stdout.decode()


def test_each_vulnerability_that_we_know_of_has_its_attack() -> None:
    page = attacks.PAGE.read_text("utf-8")
    for name in (
        "CVE-2025-6242",
        "CVE-2026-24779",
        "CVE-2026-22778",
        "CVE-2026-22773",
        "CVE-2026-0599",
        "CVE-2026-33626",
    ):
        assert f"{name}" in page, name
