"""Checkpoints: directories that hold the whole of a run, appear at once or not at all, and can be checked.

`<run>/checkpoints/step-00001200/` holds the weights, their average, the best average so far and the
optimizer's state as safetensors, the run's progress as JSON, and a manifest. Nothing in it is code: a foreign
file can at worst be refused. Data order, dropout and augmentation follow from the seed and the step, so no
generator's state is kept.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from model.training.errors import TrainingError
from model.training.progress import Progress

MANIFEST: Final = "manifest.json"
PROGRESS: Final = "progress.json"
MODEL: Final = "model.safetensors"
AVERAGE: Final = "average.safetensors"
BEST: Final = "best.safetensors"
OPTIMIZER: Final = "optimizer.safetensors"

_TENSORS: Final = (MODEL, AVERAGE, BEST, OPTIMIZER)
_FILES: Final = (PROGRESS, *_TENSORS)

_KEPT: Final = 2
_NAME: Final = re.compile(r"step-\d{8,}")


class Identity(BaseModel):
    """What a run is: a checkpoint of another one can't be gone on from.

    Attributes:
        settings: The recipe.
        network: The network's numbers.
        data: SHA-256 over posts, pairs and pictures.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: dict[str, Any]
    network: dict[str, Any]
    data: str


class Manifest(BaseModel):
    """Whose checkpoint it is and the SHA-256 of each file; stands as `manifest.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: Identity
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The whole of a run.

    Attributes:
        progress: Where it is.
        model: The network's state.
        average: Averaged weights by name.
        best: Averaged weights of the best epoch, empty before the first.
        optimizer: The optimizer's state, `<parameter>/<what>`.
    """

    progress: Progress
    model: Mapping[str, Tensor]
    average: Mapping[str, Tensor]
    best: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]

    def save(self, folder: Path, run: Identity) -> Path:
        """Write the checkpoint beside the others, and remove all but the last two.

        It is written under a temporary name, forced to the disk and then renamed: a process killed at any
        moment leaves whole checkpoints and perhaps a `.writing` directory, which the next one clears away.
        """
        place = folder / f"step-{len(self.progress.steps):08}"
        writing = folder / ".writing"
        shutil.rmtree(writing, ignore_errors=True)
        writing.mkdir(parents=True)
        (writing / PROGRESS).write_text(self.progress.model_dump_json(), encoding="utf-8")
        for file, state in zip(_TENSORS, (self.model, self.average, self.best, self.optimizer), strict=True):
            on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
            save_file(on_cpu, writing / file)
        manifest = Manifest(run=run, files={file: _digest(writing / file) for file in _FILES})
        (writing / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        for path in (*writing.iterdir(), writing):
            _flush(path)
        shutil.rmtree(place, ignore_errors=True)
        writing.rename(place)
        _flush(folder)
        for old in list_checkpoints(folder)[:-_KEPT]:
            shutil.rmtree(old)
        return place

    @classmethod
    def load(cls, place: Path, run: Identity) -> Checkpoint:
        """Read a checkpoint of this run and check every file.

        Raises:
            TrainingError: a file is missing, changed or no such file, or the checkpoint is of another run.
        """
        manifest = _manifest(place)
        _same_run(place / MANIFEST, manifest.run, run)
        for file, digest in manifest.files.items():
            _check(place, file, digest)
        try:
            progress = Progress.model_validate_json((place / PROGRESS).read_bytes())
        except ValidationError:
            raise _refusal(place, PROGRESS, "does not tell where the run was") from None
        return cls(progress, *(_tensors(place, file) for file in _TENSORS))


def list_checkpoints(folder: Path) -> list[Path]:
    """The whole checkpoints in a folder, oldest first."""
    if not folder.is_dir():
        return []
    found = (path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    return sorted(found, key=lambda path: int(path.name.removeprefix("step-")))


def _manifest(place: Path) -> Manifest:
    try:
        manifest = Manifest.model_validate_json((place / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise _refusal(place, MANIFEST, "is missing") from None
    except ValidationError:
        raise _refusal(place, MANIFEST, "is not a manifest of this version") from None
    if set(manifest.files) != set(_FILES):
        raise _refusal(place, MANIFEST, f"does not name exactly {', '.join(_FILES)}")
    return manifest


def _check(place: Path, file: str, digest: str) -> None:
    if not (place / file).is_file():
        raise _refusal(place, file, "is missing")
    if _digest(place / file) != digest:
        raise _refusal(place, file, "is not the file that the manifest names: it was changed or cut short")


def _tensors(place: Path, file: str) -> dict[str, Tensor]:
    try:
        return load_file(place / file)
    except SafetensorError:
        raise _refusal(place, file, "is not a safetensors file") from None


def _same_run(path: Path, found: Identity, ours: Identity) -> None:
    if found.network != ours.network:
        raise TrainingError(
            f"{path} is of a run with another network, {_difference(found.network, ours.network)}: "
            "go on with that network, or give another --output"
        )
    if found.settings != ours.settings:
        raise TrainingError(
            f"{path} is of a run with other settings, {_difference(found.settings, ours.settings)}: "
            "go on with those, or give another --output"
        )
    if found.data != ours.data:
        raise TrainingError(
            f"{path} is of a run on other data than is given now: "
            "give the files it began with, or another --output"
        )


def _difference(found: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """The first field that differs, by its path, and both values."""
    name = next(name for name in (*found, *ours) if found.get(name) != ours.get(name))
    theirs, here = found.get(name), ours.get(name)
    if isinstance(theirs, dict) and isinstance(here, dict):
        return f"{name}.{_difference(theirs, here)}"
    return f"{name} {theirs} there and {here} here"


def _refusal(place: Path, file: str, reason: str) -> TrainingError:
    others = [path for path in list_checkpoints(place.parent) if path != place]
    rest = f"--resume then goes on from {others[-1].name}" if others else "start anew in another --output"
    return TrainingError(f"{place / file} {reason}; remove {place} and {rest}")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    """Force a file or a directory's entries to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
