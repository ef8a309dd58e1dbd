import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from workers.tagger.lasting import lasting


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def test_what_is_made_meanwhile_is_not_collected_nor_looked_through_later() -> None:
    with lasting():
        assert not gc.isenabled()
        made = [[] for _ in range(10)]  # type: list[list[int]]
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    # The collector's own list of what it looks through.
    known = {id(each) for each in gc.get_objects()}
    assert known.isdisjoint(map(id, made))


def test_it_collects_again_after_a_failure() -> None:
    with pytest.raises(ValueError, match="no release"), lasting():
        raise ValueError("no release")
    assert gc.isenabled()


def test_within_another_it_ends_with_the_outer_one() -> None:
    with lasting():
        with lasting():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_worker_imports_what_it_needs_without_collections() -> None:
    # Told in the moment in which torch is asked for, which is then not imported.
    program = """
import gc, sys
class Told:
    def find_spec(self, name, *_):
        if name == "torch":
            sys.exit(f"collects: {gc.isenabled()}")
sys.meta_path.insert(0, Told())
from workers.commands.worker import worker
worker()
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.stderr == "collects: False\n"
