"""The end of a run: the candidate is published, or it is not, and the report says why."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime

from kafka.errors import KafkaError
from pydantic import BaseModel, ConfigDict

from model.manifest import CARD, GOLDEN
from model.release import find_release, seal
from model.signing import read_private_key
from model.store.reference import REPORTS, STABLE
from model.store.store import ReleaseStore
from model.training.report import FILE
from model.training.report import Report as TrainingReport
from model.training.run import RELEASE, REPORT
from workers.errors import SetupError
from workers.releases.announcement import Announcer, announcements
from workers.releases.operate import me
from workers.trainer.begin import Job
from workers.trainer.card import section
from workers.trainer.record import Judgement, Outcome, Record, WorkDirectory


class RunReport(BaseModel):
    """A run and its training; stands as `reports/RUN.json` in the store."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: Record
    training: TrainingReport


def still_in_service(store: ReleaseStore, record: Record) -> bool:
    """Whether stable points to what the run started from, or already to what it made.

    Raises:
        ReleaseError: the store doesn't answer.
    """
    current = store.current(STABLE)
    before = record.incumbent
    return current.release == record.candidate or (
        (current.release, current.manifest_sha256) == (before.release, before.manifest_sha256)
    )


def publish(job: Job, store: ReleaseStore, work: WorkDirectory, record: Record, judgement: Judgement) -> None:
    """Put the candidate into the store, point the channel at it, and announce it.

    Each step that was done by a run that was killed is done again and changes nothing.

    Raises:
        ReleaseError: the store doesn't take it.
        SetupError: another release is in service meanwhile, or Kafka doesn't take the announcement.
    """
    if not still_in_service(store, record):
        now = store.current(STABLE).release
        raise SetupError(
            f"{STABLE} points to {now} meanwhile, and {record.candidate} was judged "
            f"beside {record.incumbent.release}, so it is not published; run the trainer again"
        )
    _assemble(store, work, record, judgement)
    key = None if job.settings.signing_key is None else read_private_key(job.settings.signing_key)
    channel = job.settings.channel
    with Announcer.connected(job.kafka) as announcer:
        release = store.add(work.release, key=key)
        store.verify(release, key=None if key is None else key.public_key())
        reason = f"trained on from {record.incumbent.release} with {record.lineage.train:,} annotations"
        store.point(channel, release, by=f"rpbert trainer, {me()}", reason=reason)
        try:
            announcer.announce(announcements(store, channel))
        except KafkaError as error:
            raise SetupError(
                f"{channel} points to {release}, but Kafka did not take the announcement "
                f"({type(error).__name__}); run the same command again, which announces it"
            ) from error


def end(store: ReleaseStore, work: WorkDirectory, record: Record, outcome: Outcome) -> Record:
    """Write the report, here and in the store, then that the run has ended.

    Raises:
        ReleaseError: the store doesn't take the report.
    """
    ended = record.model_copy(update={"ended_at": datetime.now(UTC), "outcome": outcome})
    training = TrainingReport.model_validate_json((work.training / REPORT / FILE).read_bytes())
    report = RunReport(run=ended, training=training).model_dump_json(indent=1).encode() + b"\n"
    work.report.write_bytes(report)
    store.files.write(f"{REPORTS}/{record.run}.json", report)
    work.keep(ended)
    return ended


def _assemble(store: ReleaseStore, work: WorkDirectory, record: Record, judgement: Judgement) -> None:
    """The trained release, its lineage on its card, and what golden posts the one before it carried.

    The same bytes however often it is done.
    """
    shutil.rmtree(work.release, ignore_errors=True)
    shutil.copytree(work.training / RELEASE, work.release)
    with (work.release / CARD).open("a", encoding="utf-8") as card:
        card.write(section(record, judgement))
    carried = find_release(f"{store.url}#{record.incumbent.release}") / GOLDEN
    if carried.exists():
        shutil.copy(carried, work.release)
    seal(work.release, name=record.candidate.name, version=record.candidate.version)
