import os
import subprocess
import sys

import pytest

from tests import page_faults
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


# Where the loop would begin; one of several has a thread that watches its supervisor by then.
KEPT = """
import sys
from threading import Event
from types import SimpleNamespace
from tests import page_faults
from workers.commands import worker as command
from workers.settings import WorkerSettings
from workers.tagger import process

process.serve = lambda *_: print(page_faults.of_a_batch())
command.parent_process = lambda: SimpleNamespace(join=Event().wait)
if "several" in sys.argv:
    command.one_of_several(WorkerSettings(), SimpleNamespace(send=None))
else:
    command.worker(settings=WorkerSettings())
"""


@pytest.mark.parametrize("which", ["alone", "several"])
def test_the_batches_of_a_worker_find_the_pages_of_those_before(which: str) -> None:
    others = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run(
        [sys.executable, "-c", KEPT, which], env=others, capture_output=True, check=True, text=True
    )
    assert int(done.stdout) < page_faults.MANY
