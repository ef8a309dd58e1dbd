"""A post's way from its record to the engine: read, its text prepared, its pictures had."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic, time

import structlog
from kafka.consumer.fetcher import ConsumerRecord

from schemas import DeadLetterReason, Source, Stage
from workers.metrics import Metrics
from workers.tagger.bounded_poll import record_bytes
from workers.tagger.engine import Engine
from workers.tagger.intake import read_post
from workers.tagger.job import Job
from workers.tagger.pictures.picture import Picture
from workers.tagger.serving.serving import Serving
from workers.tagger.unworkable import Unworkable

_log = structlog.get_logger(__name__)


class Passage:
    """Opens records and sends what can be tagged on to the engine, which expects each of them."""

    def __init__(
        self, *, serving: Serving, engine: Engine, finished: Callable[[Job], None], metrics: Metrics
    ) -> None:
        """Wire it.

        Args:
            serving: says which release takes a post.
            engine: where posts come out.
            finished: takes a job that another release has left and that fails here.
            metrics: of this process.
        """
        self._serving = serving
        self._engine = engine
        self._finished = finished
        self._metrics = metrics
        self._pictures_seconds = metrics.stage_seconds.labels("pictures")

    def open(self, record: ConsumerRecord) -> Job:
        """A record as a job, with its text or its failure; one that has failed goes nowhere from here."""
        job = Job(
            Source(topic=record.topic, partition=record.partition, offset=record.offset),
            record.key,
            record.value,
            record.headers,
            served=self._serving.take(record.key),
            record_bytes=record_bytes(record),
            written=written(record),
        )
        self._metrics.posts_received.inc()
        self._prepare(job)
        if job.failure is not None:
            self._serving.give_back(job.served)
            self._engine.excuse(1)
        return job

    def send_on(self, job: Job) -> None:
        """Have a prepared job's pictures and hand it to the engine; returns at once."""
        urls = () if job.post is None else job.post.pictures
        if urls:
            job.served.pictures.submit(tuple(urls), partial(self._illustrated, job, monotonic()))
        else:
            self._engine.submit(job)

    def taken_over(self, job: Job) -> bool:
        """Let the served release have what another one failed on, from the beginning."""
        if job.post is None or not self._serving.failed(job.served):
            return False
        self._serving.give_back(job.served)
        job.served, job.pictures = self._serving.take(None), ()
        self._prepare(job)
        if job.failure is None:
            self._engine.expect(1)
            self.send_on(job)
        else:
            self._finished(job)
        return True

    def _prepare(self, job: Job) -> None:
        try:
            with self._metrics.stage("intake"):
                job.post = read_post(job.value)
                job.text = job.served.tagger.prepare(job.post.text)
        except Unworkable as failure:
            job.failure = failure
        except Exception:  # noqa: BLE001 - one post may not end the worker, whatever it does to the tokenizer
            _log.exception("a post could not be prepared", source=job.source.model_dump())
            job.failure = Unworkable(
                DeadLetterReason.MODEL_FAILED, Stage.INTAKE, "The model could not prepare this post's text."
            )

    def _illustrated(self, job: Job, asked: float, pictures: Sequence[Picture]) -> None:
        job.pictures = tuple(pictures)
        self._pictures_seconds.observe(monotonic() - asked)
        self._engine.submit(job)


def written(record: ConsumerRecord) -> float:
    """When a record was written, in seconds of Unix time; now if it does not say."""
    return record.timestamp / 1_000 if record.timestamp >= 0 else time()
