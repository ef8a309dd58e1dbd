"""A candidate in the shadow: it tags again what the served release has tagged, and is only compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from queue import Full, Queue
from threading import Thread
from time import perf_counter

import structlog

from model.inference import Tagging, TagRequest
from workers.metrics import Metrics
from workers.tagger.job import Job
from workers.tagger.pictures.picture import Picture
from workers.tagger.serving.served import Served

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A batch as the served release saw it and what it made of it."""

    posts: tuple[tuple[str, tuple[Picture, ...]], ...]
    taggings: tuple[Tagging, ...]
    seconds: float


class Shadow:
    """Compares a candidate with the served release, batch by batch, on a thread of its own.

    It never holds anyone up: a batch that comes while it is at another is skipped and counted. Features are
    those that the batch had, so a batch with pictures is skipped too where the candidate's backbone is
    another.
    """

    def __init__(self, candidate: Served, share: float, metrics: Metrics) -> None:
        """Start.

        Args:
            candidate: the release to compare.
            share: of the batches.
            metrics: of this process.
        """
        self.candidate = candidate
        self._share = share
        self._metrics = metrics
        self._due = 0.0
        self._batches: Queue[_Seen | None] = Queue(maxsize=1)
        self._thread = Thread(target=self._run, name="shadow", daemon=True)
        self._thread.start()

    def offer(self, batch: Sequence[Job], taggings: Sequence[Tagging], seconds: float) -> None:
        """Show it a batch that was tagged, features and all; returns at once."""
        self._due += self._share
        if self._due < 1:
            return
        self._due -= 1
        alien = self.candidate.tagger.backbone_digest != batch[0].served.tagger.backbone_digest
        if alien and any(picture.features is not None for job in batch for picture in job.pictures):
            self._metrics.shadow_skipped.inc()
            return
        posts = tuple((job.post.text if job.post else "", job.pictures) for job in batch)
        try:
            self._batches.put_nowait(_Seen(posts, tuple(taggings), seconds))
        except Full:
            self._metrics.shadow_skipped.inc()

    def close(self) -> None:
        """End it after the batch under way."""
        self._batches.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (seen := self._batches.get()) is not None:
            try:
                self._compare(seen)
            except Exception:  # noqa: BLE001 - whatever a candidate does, nothing else may notice
                _log.exception("the candidate failed in the shadow", release=self.candidate.name)
                self._metrics.shadow_posts.labels("failed").inc(len(seen.posts))

    def _compare(self, seen: _Seen) -> None:
        tagger, metrics = self.candidate.tagger, self._metrics
        requests = [
            TagRequest(
                tagger.prepare(text),
                tuple(picture.features for picture in pictures if picture.features is not None),
            )
            for text, pictures in seen.posts
        ]
        began = perf_counter()
        taggings = tagger.tag(requests)
        metrics.shadow_seconds.labels("candidate").observe(perf_counter() - began)
        metrics.shadow_seconds.labels("served").observe(seen.seconds)
        for served, candidate in zip(seen.taggings, taggings, strict=True):
            ours, theirs = _spans(served), _spans(candidate)
            metrics.shadow_posts.labels("same" if ours == theirs else "different").inc()
            metrics.shadow_entities.labels("both").inc(len(ours & theirs))
            metrics.shadow_entities.labels("served").inc(len(ours - theirs))
            metrics.shadow_entities.labels("candidate").inc(len(theirs - ours))
            for one, other in zip(served.relevance, candidate.relevance, strict=True):
                metrics.shadow_relation.observe(abs(one - other))


def _spans(tagging: Tagging) -> set[tuple[int, int, str]]:
    return {(entity.start, entity.end, entity.type.value) for entity in tagging.entities}
