from pathlib import Path

import pytest

from model.manifest import ReleaseError
from model.store.reference import ReleaseId
from model.store.store import ReleaseStore
from tests.model.store.releases import small_release
from workers.trainer.version import next_version


def store(tmp_path: Path, *versions: str) -> ReleaseStore:
    made = ReleaseStore(str(tmp_path / "store"))
    for version in versions:
        made.add(small_release(tmp_path / version, version))
    return made


@pytest.mark.parametrize(("incumbent", "follows"), [("1.1.0", "1.2.0"), ("2.9.7", "2.10.0"), ("1", "1.1.0")])
def test_the_next_minor_version_follows(tmp_path: Path, incumbent: str, follows: str) -> None:
    assert next_version(store(tmp_path), ReleaseId("small", incumbent)) == follows


def test_a_version_that_is_there_is_passed_over(tmp_path: Path) -> None:
    """Of a candidate that waits, or of one that was rolled back."""
    assert next_version(store(tmp_path, "1.2.0", "1.3.0"), ReleaseId("small", "1.1.0")) == "1.4.0"


def test_what_is_no_number_is_followed_by_nothing(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"what follows small/october is not to be told"):
        next_version(store(tmp_path), ReleaseId("small", "october"))
