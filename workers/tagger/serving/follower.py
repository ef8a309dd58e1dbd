"""The thread that brings in releases: what a channel of the store points to comes into service."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Event, Thread
from time import monotonic
from types import TracebackType
from typing import Final, Self

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from model.inference import Tagger
from model.manifest import Fault, ReleaseError
from model.store.channel import Entry
from model.store.store import ReleaseStore
from workers.metrics import Metrics
from workers.settings import WorkerSettings
from workers.tagger.cores import short_turns
from workers.tagger.serving.announcements import Announcements
from workers.tagger.serving.arrival import bring_in
from workers.tagger.serving.attempts import Attempt, Attempts
from workers.tagger.serving.refusals import Refusals
from workers.tagger.serving.serving import Serving

_log = structlog.get_logger(__name__)

# How often it looks whether a retired release is done.
_TURN_SECONDS: Final = 0.5
_END_SECONDS: Final = 5.0


@dataclass(slots=True)
class _Channel:
    name: str
    attempts: Attempts = field(default_factory=Attempts)


class Follower:
    """Follows a channel while the worker runs, and that of the candidates if they are wanted.

    The store says where a channel points, an announcement only that it is time to look. A release that
    fails leaves everything as it was. It is tried again if its fault may pass, ever more seldom; otherwise
    once the channel points elsewhere, or it is announced anew.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        channel: str,
        store: ReleaseStore,
        *,
        key: Ed25519PublicKey | None,
        serving: Serving,
        metrics: Metrics,
    ) -> None:
        """Starts nothing yet.

        Args:
            settings: of the worker.
            channel: the channel to follow.
            store: where it is.
            key: whose owner must have signed what comes; None to ask for no signature.
            serving: what to bring releases to.
            metrics: of this process.
        """
        self._settings = settings
        self._store = store
        self._key = key
        self._serving = serving
        self._metrics = metrics
        self._stable = _Channel(channel)
        self._candidate = _Channel(settings.candidate.candidate_channel)
        self._poll = settings.refresh.release_poll_seconds
        self._ending = Event()
        self._announcements = Announcements(settings.kafka, self._ending, retry_seconds=self._poll)
        self._refusals = Refusals(settings, store, self._announcements)
        self._tried: Entry | None = None
        self._next_look = 0.0
        self._store_up = True
        self._thread = Thread(target=self._run, name="releases", daemon=True)

    def __enter__(self) -> Self:
        self._metrics.release_followed.set(1)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        # A store or a broker that doesn't answer is not waited for.
        self._thread.join(_END_SECONDS)

    def _run(self) -> None:
        try:
            while not self._ending.is_set():
                news = self._announcements.wait(_TURN_SECONDS)
                try:
                    self._turn(news=news)
                except Exception:  # noqa: BLE001 - the next release shall come through
                    _log.exception("a look for a new release failed; the release in service stays")
        finally:
            self._announcements.close()

    def _turn(self, *, news: bool) -> None:
        self._serving.clear_away()
        self._note_verdict()
        self._refusals.announce()
        due = min(self._next_look, self._stable.attempts.next_try, self._candidate.attempts.next_try)
        if not self._ending.is_set() and (news or monotonic() >= due):
            self._next_look = monotonic() + self._poll
            self._look()

    def _look(self) -> None:
        try:
            entry = self._store.current(self._stable.name)
            candidate = (
                self._store.channel(self._candidate.name).current if self._settings.candidate.wanted else None
            )
        except ReleaseError as error:
            if self._store_up:
                _log.warning(
                    "the release store shows no release; the one in service stays", reason=str(error)
                )
            self._show_store(up=False)
            return
        self._show_store(up=True)
        self._follow(entry)
        self._try_out(candidate)

    def _follow(self, entry: Entry) -> None:
        if str(entry.release) == self._serving.current.name:
            self._stable.attempts.forget()
        elif self._is_candidate(entry):
            self._serving.promote()
        elif (tagger := self._attempt(self._stable, entry)) is not None:
            self._serving.replace(tagger)
        self._metrics.release_behind.set(str(entry.release) != self._serving.current.name)
        self._metrics.release_pointed.set(entry.pointed.at.timestamp())

    def _try_out(self, entry: Entry | None) -> None:
        under_way = entry is not None and self._is_candidate(entry)
        self._note_verdict()
        if entry is None or str(entry.release) == self._serving.current.name or self._marked(entry):
            if self._serving.candidate is not None:
                self._serving.end_candidate()
        elif not under_way and (tagger := self._attempt(self._candidate, entry)) is not None:
            self._tried = entry
            self._serving.try_out(tagger, salt=entry.manifest_sha256)

    def _attempt(self, channel: _Channel, entry: Entry) -> Tagger | None:
        attempt = self._attempt_of(channel, entry)
        if not channel.attempts.due(attempt):
            return None
        try:
            with short_turns():
                tagger = bring_in(
                    self._store.url, entry, self._settings.model, self._settings.batch, self._key
                )
        except ReleaseError as error:
            channel.attempts.failed(attempt, passes=error.fault.passes)
            self._refuse(entry, error.fault, str(error))
            return None
        channel.attempts.forget()
        return tagger

    def _refuse(self, entry: Entry, fault: Fault, reason: str) -> None:
        self._metrics.releases_refused.labels(fault.value).inc()
        _log.warning(
            "a release can't be served; the one in service stays",
            release=str(entry.release),
            serves=self._serving.current.name,
            fault=fault.value,
            tried_again=fault.passes,
            reason=reason,
        )

    def _note_verdict(self) -> None:
        """Don't try a release again whose trial went wrong, and have the others told."""
        if (ended := self._serving.verdict()) is None:
            return
        served, verdict = ended
        entry = self._tried
        if entry is None or str(entry.release) != served.name:
            return
        self._candidate.attempts.failed(self._attempt_of(self._candidate, entry), passes=False)
        self._refusals.add(entry, f"on trial: {verdict.reason}")

    def _marked(self, entry: Entry) -> bool:
        """Whether a worker or a person has said that a candidate is not to be served."""
        mark = self._announcements.board.mark(str(entry.release))
        return mark is not None and mark.channel in (None, self._candidate.name)

    def _is_candidate(self, entry: Entry) -> bool:
        candidate = self._serving.candidate
        return candidate is not None and candidate.name == str(entry.release)

    def _attempt_of(self, channel: _Channel, entry: Entry) -> Attempt:
        record = self._announcements.board.channels.get(channel.name)
        announced = record is not None and record.manifest_sha256 == entry.manifest_sha256
        return Attempt(entry.manifest_sha256, record.announced_at if record and announced else None)

    def _show_store(self, *, up: bool) -> None:
        self._store_up = up
        self._metrics.release_store_up.set(up)
