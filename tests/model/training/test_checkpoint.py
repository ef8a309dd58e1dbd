"""A checkpoint is whole and of this run, or it is refused with what to do."""

import hashlib
import json
import pickle
import shutil
from pathlib import Path

import pytest

from model.training.checkpoint import Checkpoint, Identity, Manifest, list_checkpoints
from model.training.errors import TrainingError

FILES = (
    "progress.json",
    "model.safetensors",
    "average.safetensors",
    "best.safetensors",
    "optimizer.safetensors",
)


@pytest.fixture
def place(run: Path, tmp_path: Path) -> Path:
    """The newest of two checkpoints, this test's own."""
    folder = shutil.copytree(run / "checkpoints", tmp_path / "checkpoints")
    return list_checkpoints(folder)[-1]


def identity(place: Path) -> Identity:
    return Manifest.model_validate_json((place / "manifest.json").read_bytes()).run


def refused(place: Path, run: Identity) -> str:
    with pytest.raises(TrainingError) as error:
        Checkpoint.load(place, run)
    return str(error.value)


def seal(place: Path, file: str) -> None:
    """Make the manifest name the file as it is, as one who means harm would."""
    manifest = json.loads((place / "manifest.json").read_text())
    manifest["files"][file] = hashlib.sha256((place / file).read_bytes()).hexdigest()
    (place / "manifest.json").write_text(json.dumps(manifest))


def test_what_was_saved_is_loaded(place: Path, tmp_path: Path) -> None:
    run = identity(place)
    checkpoint = Checkpoint.load(place, run)
    again = Checkpoint.load(checkpoint.save(tmp_path / "again", run), run)
    assert again.progress == checkpoint.progress
    assert again.optimizer.keys() == checkpoint.optimizer.keys()
    assert (tmp_path / "again" / place.name / "model.safetensors").read_bytes() == (
        place / "model.safetensors"
    ).read_bytes()


@pytest.mark.parametrize("file", FILES)
def test_a_flipped_bit_is_found(place: Path, file: str) -> None:
    content = bytearray((place / file).read_bytes())
    content[len(content) // 2] ^= 1
    (place / file).write_bytes(content)
    older = list_checkpoints(place.parent)[0].name
    assert refused(place, identity(place)) == (
        f"{place / file} is not the file that the manifest names: it was changed or cut short; "
        f"remove {place} and --resume then goes on from {older}"
    )


@pytest.mark.parametrize("file", FILES)
def test_a_file_cut_short_or_missing_is_found(place: Path, file: str) -> None:
    run = identity(place)
    (place / file).write_bytes((place / file).read_bytes()[:-1])
    assert f"{place / file} is not the file that the manifest names" in refused(place, run)
    (place / file).unlink()
    assert f"{place / file} is missing" in refused(place, run)


def test_a_broken_manifest_is_found(place: Path) -> None:
    run = identity(place)
    (place / "manifest.json").write_text("{")
    assert "manifest.json is not a manifest of this version" in refused(place, run)
    (place / "manifest.json").unlink()
    assert "manifest.json is missing" in refused(place, run)
    shutil.rmtree(list_checkpoints(place.parent)[0])
    assert refused(place, run).endswith(f"remove {place} and start anew in another --output")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"data": "0"}, "is of a run on other data than is given now: give the files it began with"),
        ({"settings": {"seed": 1}}, "is of a run with other settings, "),
        ({"network": {"gate": "soft"}}, "is of a run with another network"),
    ],
)
def test_a_foreign_checkpoint_is_refused(place: Path, changed: dict[str, object], says: str) -> None:
    ours = identity(place).model_copy(update=changed)
    message = refused(place, ours)
    assert message.startswith(f"{place / 'manifest.json'} ")
    assert says in message
    assert "another --output" in message


def test_settings_that_differ_are_named_with_both_values(place: Path) -> None:
    run = identity(place)
    ours = run.model_copy(update={"settings": run.settings | {"seed": 5}})
    assert "seed 1 there and 5 here" in refused(place, ours)
    encoder = run.network["encoder"] | {"layers": 4}
    ours = run.model_copy(update={"network": run.network | {"encoder": encoder}})
    assert "encoder.layers 2 there and 4 here" in refused(place, ours)


class _Harm:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (open, ("harm-was-done",))


def test_code_in_a_checkpoint_is_refused_and_never_run(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "harm-was-done").write_text("not yet")
    for file in FILES[1:]:
        harmed = shutil.copytree(place, tmp_path / "harmed" / file / place.name)
        (harmed / file).write_bytes(pickle.dumps(_Harm()))
        seal(harmed, file)
        assert f"{harmed / file} is not a safetensors file" in refused(harmed, identity(harmed))
    (place / "progress.json").write_bytes(pickle.dumps(_Harm()))
    seal(place, "progress.json")
    assert "progress.json does not tell where the run was" in refused(place, identity(place))


def test_the_last_two_are_kept_and_a_half_written_one_is_no_checkpoint(place: Path) -> None:
    run = identity(place)
    checkpoint = Checkpoint.load(place, run)
    (place.parent / ".writing").mkdir()
    (place.parent / ".writing" / "model.safetensors").write_bytes(b"half")
    assert list_checkpoints(place.parent)[-1] == place
    checkpoint.progress.steps.append(checkpoint.progress.steps[-1])
    newest = checkpoint.save(place.parent, run)
    assert list_checkpoints(place.parent) == [place, newest]
    assert not (place.parent / ".writing").exists()
