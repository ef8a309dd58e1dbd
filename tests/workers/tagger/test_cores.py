import os
import subprocess
import sys

import pytest

from workers.tagger.cores import short_turns

# Told in the moment in which torch is asked for, which is then not imported.
PROGRAM = """
import os, sys
class Told:
    def find_spec(self, name, *_):
        if name == "torch":
            sys.exit(f"spins: {os.environ.get('GOMP_SPINCOUNT')}")
sys.meta_path.insert(0, Told())
from workers.commands.worker import worker
worker()
"""


@pytest.mark.parametrize(
    ("environment", "spins"),
    [({}, "2000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, "None")],
)
def test_a_worker_spins_briefly_unless_told_otherwise(environment: dict[str, str], spins: str) -> None:
    others = {name: value for name, value in os.environ.items() if not name.startswith(("GOMP_", "OMP_"))}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=others | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stderr == f"spins: {spins}\n"


def test_turns_are_short_as_long_as_it_is_said() -> None:
    usual = sys.getswitchinterval()
    seen = []

    def fail() -> None:
        with short_turns():
            seen.append(sys.getswitchinterval())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert seen == [pytest.approx(usual / 10)]
    assert sys.getswitchinterval() == usual


def test_turns_stay_short_until_the_last_of_several_has_ended() -> None:
    usual = sys.getswitchinterval()
    first, second = short_turns(), short_turns()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert sys.getswitchinterval() == pytest.approx(usual / 10)
    second.__exit__(None, None, None)
    assert sys.getswitchinterval() == usual
