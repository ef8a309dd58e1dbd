"""The releases in service: which one takes the next post, and when an old one is done."""

from __future__ import annotations

from collections.abc import Sequence
from queue import Empty, SimpleQueue
from threading import Lock
from weakref import ref

import structlog

from model.device import release_memory
from model.inference import Tagger, Tagging
from workers.metrics import Metrics
from workers.settings import CandidateSettings, PictureSettings
from workers.tagger.job import Job
from workers.tagger.serving.backbones import Backbones
from workers.tagger.serving.served import Served
from workers.tagger.serving.shadow import Shadow
from workers.tagger.serving.trial import Trial
from workers.tagger.serving.verdict import Verdict

_log = structlog.get_logger(__name__)


class Serving:
    """The release in service, a candidate beside it, and those before that still have posts under way.

    The Kafka thread takes and gives back, the engine's thread tells what became of posts, another thread
    replaces: each replacement lies between two posts, and so between two batches, since a batch is of one
    release.
    """

    def __init__(
        self, tagger: Tagger, pictures: PictureSettings, candidate: CandidateSettings, metrics: Metrics
    ) -> None:
        """Serve a release; its pictures are had from `start` on.

        Raises:
            SetupError: `redis_url` is no Redis URL.
        """
        self._settings = candidate
        self._metrics = metrics
        self._lock = Lock()
        self._backbones = Backbones(pictures, metrics)
        self._retired: list[Served] = []
        self._leaving: list[ref[Served]] = []
        self._trial: Trial | None = None
        self._shadow: Shadow | None = None
        self._ended: SimpleQueue[tuple[Served, Verdict]] = SimpleQueue()
        self._current = Served(tagger, self._backbones.take(tagger))
        self._show()

    @property
    def current(self) -> Served:
        """The release that takes the next post."""
        return self._current

    @property
    def candidate(self) -> Served | None:
        """The release on trial or in the shadow."""
        trial, shadow = self._trial, self._shadow
        return trial.served if trial is not None else shadow.candidate if shadow is not None else None

    def start(self) -> None:
        """Have pictures."""
        self._backbones.start()

    def close(self) -> None:
        """End all pictures and the shadow; posts under way stay unfinished."""
        self.end_candidate()
        self._backbones.close()

    def take(self, key: bytes | None) -> Served:
        """The release for a post of this key; it stays loaded until the post is given back.

        Posts without a key are all of the served release: nothing tells their authors apart.
        """
        with self._lock:
            on_trial = key is not None and self._trial is not None and self._trial.gets(key)
            served = self._trial.served if self._trial is not None and on_trial else self._current
            served.under_way += 1
            return served

    def give_back(self, served: Served) -> None:
        """A post is done with its release."""
        with self._lock:
            served.under_way -= 1

    def tagged(self, batch: Sequence[Job], taggings: Sequence[Tagging], seconds: float) -> None:
        """A batch was tagged, in so many seconds."""
        served = batch[0].served
        with self._lock:
            trial, shadow = self._trial, self._shadow
            if trial is not None and served in (trial.served, self._current):
                if served is trial.served:
                    self._metrics.trial_posts.labels("tagged").inc(len(batch))
                self._judge(trial, trial.tagged(served, taggings, seconds))
        if shadow is not None and served is self._current:
            shadow.offer(batch, taggings, seconds)

    def failed(self, served: Served) -> bool:
        """A release's model failed on a post; whether the served release is to take it instead."""
        with self._lock:
            trial = self._trial
            if trial is not None and served in (trial.served, self._current):
                if served is trial.served:
                    self._metrics.trial_posts.labels("failed").inc()
                self._judge(trial, trial.failed(served))
            return served is not self._current

    def replace(self, tagger: Tagger) -> None:
        """Serve another release from the next post on; it must be ready."""
        self._put_in_place(Served(tagger, self._backbones.take(tagger)))

    def promote(self) -> None:
        """Serve the candidate from the next post on."""
        if (candidate := self.candidate) is not None:
            self.end_candidate(keep=True)
            self._put_in_place(candidate)

    def try_out(self, tagger: Tagger, salt: str) -> None:
        """Begin with a candidate, in place of the one before.

        Args:
            tagger: the candidate, ready to serve.
            salt: draws the keys that get it; the same in every worker.
        """
        self.end_candidate()
        served = Served(tagger, self._backbones.take(tagger))
        with self._lock:
            if self._settings.canary_share:
                self._trial = Trial(served, salt, self._settings)
            else:
                self._shadow = Shadow(served, self._settings.shadow_share, self._metrics)
        self._show()
        _log.info("a candidate is tried out", release=served.name, beside=self._current.name)

    def end_candidate(self, *, keep: bool = False) -> None:
        """Go on without a candidate.

        Args:
            keep: it goes on by other means.
        """
        with self._lock:
            candidate, shadow = self.candidate, self._shadow
            self._trial = self._shadow = None
            if candidate is not None and not keep:
                self._retired.append(candidate)
        if shadow is not None:
            shadow.close()
        self._show()

    def verdict(self) -> tuple[Served, Verdict] | None:
        """A release whose trial has ended by its own doing, and why; each once."""
        try:
            return self._ended.get_nowait()
        except Empty:
            return None

    def clear_away(self) -> None:
        """Let go of releases whose last post is done; from the thread that replaces."""
        self._leave_those_done()
        # Finished posts keep theirs until their commit.
        still = [served for served in self._leaving if served() is not None]
        if len(still) < len(self._leaving):
            release_memory()
        self._leaving = still

    def _leave_those_done(self) -> None:
        with self._lock:
            done = [served for served in self._retired if not served.under_way]
            self._retired = [served for served in self._retired if served.under_way]
        for served in done:
            self._backbones.leave(served.tagger)
            self._leaving.append(ref(served))

    def _put_in_place(self, arrived: Served) -> None:
        with self._lock:
            old, self._current = self._current, arrived
            self._retired.append(old)
            if self._trial is not None:
                # What it is measured against is another one now.
                self._trial = self._trial.begun_anew()
        self._show()
        self._metrics.release_changes.inc()
        _log.info("another release is served", release=arrived.name, before=old.name)

    def _judge(self, trial: Trial, verdict: Verdict | None) -> None:
        """End a trial that has gone wrong; the caller holds the lock."""
        if verdict is None:
            return
        # The candidate goes last: who sees that it is gone, finds the reason.
        self._ended.put((trial.served, verdict))
        self._metrics.trials_ended.labels(verdict.broken.value).inc()
        self._metrics.candidate.info({})
        self._retired.append(trial.served)
        self._trial = None
        _log.warning(
            "a release on trial left its bounds; the served one takes all posts again",
            release=trial.served.name,
            serves=self._current.name,
            broken=verdict.broken.value,
            reason=verdict.reason,
        )

    def _show(self) -> None:
        release, candidate = self._current.release, self.candidate
        self._metrics.release.info({"name": release.name, "version": release.version})
        labels = (
            {}
            if candidate is None
            else {"name": candidate.release.name, "version": candidate.release.version}
        )
        self._metrics.candidate.info(labels)
