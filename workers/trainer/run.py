"""One run of the trainer, from what is in service to what is published or refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from time import monotonic
from typing import Final

from filelock import FileLock, Timeout
from rich.console import Console

from model.data.gold import DatasetError
from model.data.read import read_gold
from model.inference import Tagger
from model.manifest import ReleaseError
from model.pretrained import WeightsError
from model.store.lease import Holder, Lease
from model.store.reference import CHANNELS
from model.store.store import ReleaseStore
from model.training.errors import TrainingError
from model.training.processes import Crew
from model.training.run import RELEASE, train
from model.training.settings import TrainingSettings
from workers.errors import SetupError
from workers.fetching import fetch_ahead
from workers.releases.operate import me
from workers.trainer.begin import HELD_OUT, Job, begin, training_settings
from workers.trainer.finish import end, publish, still_in_service
from workers.trainer.measure import Exam
from workers.trainer.push import push
from workers.trainer.record import Judgement, Outcome, Record, WorkDirectory, new_run
from workers.trainer.rule import check

_LOCK: Final = f"{CHANNELS}/trainer.lock"


def run_trainer(job: Job) -> Record | None:
    """Make a candidate from the release in service and judge it; publish it or refuse it.

    Under torchrun each process calls this. The first of them does all but the training alone.

    Returns:
        What the run came to; None in a process that only trained.

    Raises:
        SetupError: the run can't begin, or fails.
    """
    crew = Crew(job.recipe.device)
    if not crew.leads:
        order = crew.hand_out(None)
        if order is not None:
            with _told():
                train(order, _console())
        return None
    began = monotonic()
    record = None
    try:
        with _told():
            record = _Lead(job, crew).run()
    finally:
        if job.settings.pushgateway is not None:
            push(job.settings.pushgateway, record, monotonic() - began)
    return record


def _console() -> Console:
    """Standard output is for the record."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


class _Lead:
    """The process that decides."""

    def __init__(self, job: Job, crew: Crew) -> None:
        self._job = job
        self._crew = crew
        self._console = _console()

    def run(self) -> Record:
        with ExitStack() as stack:
            # Without an order the others would wait for ever.
            waiting = stack.enter_context(ExitStack())
            waiting.callback(self._crew.hand_out, None)
            exam = Exam.read(self._job.gold.dev, self._job.settings.golden, self._job.gold.images)
            work = WorkDirectory(self._job.settings.work)
            stack.enter_context(_alone_in(work))
            store = ReleaseStore(self._job.stores.store)
            found = self._unfinished(work)
            run = new_run() if found is None else found.run
            holder = Holder(identity=work.identity(), by=f"a trainer, {me()}", since=datetime.now(UTC))
            lease = stack.enter_context(Lease(store.files, _LOCK, holder))
            if found is not None and not still_in_service(store, found):
                self._say(f"run {run} began from {found.incumbent.release}, which is not in service any more")
                found = None
            if found is None:
                record = begin(self._job, store, work, exam, run)
                self._say(f"run {run}: {record.candidate} from {record.incumbent.release}")
            else:
                record = found
                self._say(f"run {run}: going on")
            incumbent = f"{store.url}#{record.incumbent.release}"
            judgement = record.judgement
            if judgement is None:
                order = training_settings(self._job, work, record, incumbent)
                fetch_ahead(incumbent)
                waiting.pop_all()
                self._train(work, order)
                judgement = self._judge(work, exam, record, incumbent)
                record = record.model_copy(update={"judgement": judgement})
                work.keep(record)
            if judgement.reasons:
                self._say(f"refused {record.candidate}: {'; '.join(judgement.reasons)}")
                return end(store, work, record, Outcome.REFUSED)
            lease.require()
            publish(self._job, store, work, record, judgement)
            self._say(f"published {record.candidate} to {self._job.settings.channel}")
            return end(store, work, record, Outcome.PUBLISHED)

    def _unfinished(self, work: WorkDirectory) -> Record | None:
        """The record of a run that was killed and had the same settings."""
        record = work.record()
        if record is None or record.outcome is not None:
            return None
        if record.asked != self._job.asked():
            self._say(f"run {record.run} was broken off and had other settings or files: beginning anew")
            return None
        return record

    def _train(self, work: WorkDirectory, order: TrainingSettings) -> None:
        self._crew.hand_out(order)
        try:
            train(order, self._console)
        except (DatasetError, TrainingError, WeightsError):
            # It would fail in the same way again, for ever: the next run is to begin anew.
            work.clear()
            raise

    def _judge(self, work: WorkDirectory, exam: Exam, record: Record, incumbent: str) -> Judgement:
        held_out = read_gold(work.annotations / f"{HELD_OUT}.jsonl").posts if record.lineage.held_out else ()
        taggers = [
            Tagger.load(release, device=self._job.recipe.device, dtype="float32")
            for release in (incumbent, str(work.training / RELEASE))
        ]
        before, candidate = exam.figures(taggers, held_out)
        checks = check(before, candidate, self._job.settings.rule)
        return Judgement(incumbent=before, candidate=candidate, checks=tuple(checks))

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False)


@contextmanager
def _alone_in(work: WorkDirectory) -> Iterator[None]:
    """Keeps the work directory to this process; the lock of one that was killed is free at once."""
    try:
        with FileLock(work.lock, timeout=0):
            yield
    except Timeout:
        raise SetupError(
            f"another trainer is at work in {work.lock.parent}; let it finish, or give another --work"
        ) from None


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (DatasetError, ReleaseError, TrainingError, WeightsError) as error:
        raise SetupError(str(error)) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SetupError(
            f"{error.filename or 'a file'} can't be read or written ({reason}); "
            "check --work, the gold files and your rights"
        ) from error
