"""The beginning of a run: what is in service, and what has been annotated until now."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from model.manifest import digest_of
from model.store.reference import STABLE
from model.store.store import ReleaseStore
from model.training.settings import GoldData, Recipe, TrainingSettings
from schemas import AnnotatedPost
from workers import kafka_clients
from workers.annotations.held import Annotations, read_offsets, written_offsets
from workers.errors import SetupError
from workers.settings import KafkaSettings, StoreSettings, TrainerSettings
from workers.topics import topic_ids
from workers.trainer.measure import Exam
from workers.trainer.parts import part
from workers.trainer.record import Lineage, Named, Record, WorkDirectory
from workers.trainer.version import next_version

HELD_OUT: Final = "held-out"
_TRAIN: Final = "train"
_CHOOSING: Final = "choosing"
# Where results go and who is told changes nothing of what a run does.
_NOT_ASKED: Final = {"work", "pushgateway", "signing_key"}


@dataclass(frozen=True, slots=True)
class Job:
    """All settings of a run."""

    settings: TrainerSettings
    gold: GoldData
    recipe: Recipe
    kafka: KafkaSettings
    stores: StoreSettings

    def asked(self) -> dict[str, Any]:
        """What makes one run other than another, the bytes of its files too.

        Raises:
            OSError: a file can't be read.
        """
        files = (*self.gold.train, *self.gold.dev, *self.settings.golden)
        return {
            "settings": self.settings.model_dump(mode="json", exclude=_NOT_ASKED),
            "gold": self.gold.model_dump(mode="json"),
            "recipe": self.recipe.model_dump(mode="json"),
            "store": self.stores.store,
            "topic": self.kafka.annotation_topic,
            "files": {str(path): digest_of(path) for path in files},
        }


def begin(job: Job, store: ReleaseStore, work: WorkDirectory, exam: Exam, run: str) -> Record:
    """Read the annotations, lay them down in the work directory, and write the record of a new run.

    Args:
        job: its settings.
        store: where the release in service is.
        work: emptied here.
        exam: the posts that judge.
        run: the run's name.

    Raises:
        ReleaseError: nothing is in service, or the store doesn't answer.
        SetupError: no broker answers, or a topic is missing.
    """
    current = store.current(STABLE)
    version = next_version(store, current.release)
    with closing(kafka_clients.admin(job.kafka)) as admin:
        # That the end of a run can be announced is to be known at its beginning.
        topic_ids(admin, [job.kafka.annotation_topic, job.kafka.release_topic])
    until = job.settings.until_offsets
    annotations = Annotations.read(job.kafka, None if until is None else read_offsets(until))
    by_age = annotations.by_age
    parts = part(
        by_age,
        exam.words,
        choosing_share=job.settings.choosing_share,
        held_out_share=job.settings.held_out_share,
    )
    work.clear()
    digest = hashlib.sha256()
    for name, posts in ((_TRAIN, parts.train), (_CHOOSING, parts.choosing), (HELD_OUT, parts.held_out)):
        digest.update(_lay_down(work.annotations / f"{name}.jsonl", posts))
    record = Record(
        run=run,
        begun_at=datetime.now(UTC),
        asked=job.asked(),
        incumbent=Named(name=current.name, version=current.version, manifest_sha256=current.manifest_sha256),
        version=version,
        lineage=Lineage(
            topic=job.kafka.annotation_topic,
            until_offsets=written_offsets(annotations.until),
            records=annotations.records,
            unreadable=annotations.unreadable,
            posts=len(by_age),
            unusable=parts.unusable,
            known=parts.known,
            train=len(parts.train),
            choosing=len(parts.choosing),
            held_out=len(parts.held_out),
            sha256=digest.hexdigest(),
        ),
    )
    work.keep(record)
    return record


def training_settings(job: Job, work: WorkDirectory, record: Record, incumbent: str) -> TrainingSettings:
    """What to train.

    Args:
        job: the run's settings.
        work: where annotations lie and training writes.
        record: of the run.
        incumbent: the release to start from, as `load_release` takes it.

    Raises:
        SetupError: the settings don't go together.
    """
    train, choosing = (work.annotations / f"{name}.jsonl" for name in (_TRAIN, _CHOOSING))
    try:
        return TrainingSettings(
            **job.gold.model_dump(exclude={"train", "dev"}),
            **job.recipe.model_dump(),
            train=(*job.gold.train, *([train] if record.lineage.train else [])),
            dev=(*job.gold.dev, *([choosing] if record.lineage.choosing else [])),
            output=work.training,
            resume=True,
            initial_release=incumbent,
            name=record.incumbent.name,
            version=record.version,
        )
    except ValidationError as error:
        raise SetupError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None


def _lay_down(path: Path, posts: Sequence[AnnotatedPost]) -> bytes:
    content = "".join(f"{post.model_dump_json()}\n" for post in posts).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return content
