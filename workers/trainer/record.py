"""What a run has come to, on the disk: a run that was killed goes on from it."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from model.store.reference import ReleaseId
from workers.trainer.rule import Check, Figures

_RUN: Final = "run"
_RECORD: Final = "run.json"
_LOCK: Final = "lock"
_IDENTITY: Final = "identity"


class Outcome(StrEnum):
    """How a run ended that came to its end."""

    PUBLISHED = "published"
    REFUSED = "refused"


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Named(_Kept):
    """A release of the store."""

    name: str
    version: str
    manifest_sha256: str

    @property
    def release(self) -> ReleaseId:
        """Which release it is."""
        return ReleaseId(self.name, self.version)


class Lineage(_Kept):
    """Which annotations a release was made from.

    Attributes:
        topic: Where they stood.
        until_offsets: How far it was read, as `--until-offsets` takes it.
        records: Records read.
        unreadable: Of them, those that are no annotation.
        posts: Posts that were annotated.
        unusable: Of them, those with an entity where no word is, or without words.
        known: Those of texts that judge.
        train: Those that were trained on.
        choosing: Those that chose the epoch.
        held_out: Those that judged.
        sha256: Over all three parts.
    """

    topic: str
    until_offsets: str
    records: int
    unreadable: int
    posts: int
    unusable: int
    known: int
    train: int
    choosing: int
    held_out: int
    sha256: str


class Judgement(_Kept):
    """What was measured, and what the rule says of it."""

    incumbent: Figures
    candidate: Figures
    checks: tuple[Check, ...]

    @property
    def reasons(self) -> list[str]:
        """Why the candidate is refused; none if it is not."""
        return [str(each) for each in self.checks if not each.holds]


class Record(_Kept):
    """A run.

    Attributes:
        run: Its name: when it began, and something that no other has.
        begun_at: When it began.
        asked: The settings that it began with: another one's run is not gone on with.
        incumbent: The release in service, which it starts from.
        version: What the candidate is called.
        lineage: Where its annotations are from.
        judgement: What the candidate came to; None before that.
        ended_at: When it ended; None before that.
        outcome: How; None before that.
    """

    run: str
    begun_at: AwareDatetime
    asked: dict[str, Any]
    incumbent: Named
    version: str
    lineage: Lineage
    judgement: Judgement | None = None
    ended_at: AwareDatetime | None = None
    outcome: Outcome | None = None

    @property
    def candidate(self) -> ReleaseId:
        """What the candidate is called."""
        return ReleaseId(self.incumbent.name, self.version)


def new_run() -> str:
    """A name for a run."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid4().hex[:8]}"


class WorkDirectory:
    """The directory of a run: its record, its annotations, and what training leaves.

    Attributes:
        lock: A file to lock: of two processes with one directory one goes on.
    """

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.lock: Final = path / _LOCK
        self._identity = path / _IDENTITY
        self._run = path / _RUN

    def identity(self) -> str:
        """What tells this directory from all others; the lock is to be held."""
        if not self._identity.exists():
            self._write(self._identity, uuid4().hex)
        return self._identity.read_text(encoding="utf-8")

    @property
    def training(self) -> Path:
        """What training writes into."""
        return self._run / "training"

    @property
    def annotations(self) -> Path:
        """Where the annotations lie that were read."""
        return self._run / "annotations"

    @property
    def release(self) -> Path:
        """The candidate as it is published."""
        return self._run / "release"

    @property
    def report(self) -> Path:
        """The run's report."""
        return self._run / "report.json"

    def record(self) -> Record | None:
        """The record of the run that is or was here; None where there is none, or none of this version."""
        try:
            return Record.model_validate_json((self._run / _RECORD).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def keep(self, record: Record) -> None:
        """Write the record: the old one or the new one stands there whenever the process is killed."""
        self._run.mkdir(exist_ok=True)
        self._write(self._run / _RECORD, record.model_dump_json(indent=1) + "\n")

    def clear(self) -> None:
        """Remove what an earlier run has left."""
        # The record first: without it nothing of the rest is taken for something.
        (self._run / _RECORD).unlink(missing_ok=True)
        shutil.rmtree(self._run, ignore_errors=True)

    def _write(self, path: Path, content: str) -> None:
        part = path.with_name(f"{path.name}.part")
        with part.open("w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
