"""The thread that brings in releases: what a channel of the store points to comes into service."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from random import uniform
from threading import Thread
from time import monotonic
from types import TracebackType
from typing import Final, Self

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from model.manifest import ReleaseError
from model.store.channel import Entry
from model.store.store import ReleaseStore
from workers.metrics import Metrics
from workers.settings import WorkerSettings
from workers.tagger.serving.announcements import Announcements
from workers.tagger.serving.arrival import bring_in
from workers.tagger.serving.serving import Serving

_log = structlog.get_logger(__name__)

# How often it looks whether a retired release is done.
_TURN_SECONDS: Final = 0.5
_SELDOM_SECONDS: Final = 60.0
_END_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A release that did not come into service; an announcement of it makes it another attempt."""

    manifest_sha256: str
    announced_at: datetime | None


class Follower:
    """Follows a channel while the worker runs.

    The store says where the channel points, an announcement only that it is time to look. A release that
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
        self._channel = channel
        self._store = store
        self._key = key
        self._serving = serving
        self._metrics = metrics
        self._poll = settings.refresh.release_poll_seconds
        self._announcements = Announcements(settings.kafka, retry_seconds=self._poll)
        self._failed: _Attempt | None = None
        self._failures = 0
        self._next_try = 0.0
        self._next_look = 0.0
        self._ending = False
        self._store_up = True
        self._thread = Thread(target=self._run, name="releases", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending = True
        self._announcements.end()
        # A store or a broker that doesn't answer is not waited for.
        self._thread.join(_END_SECONDS)

    def _run(self) -> None:
        try:
            while not self._ending:
                news = self._announcements.wait(_TURN_SECONDS)
                self._serving.clear_away()
                if not self._ending and (news or monotonic() >= min(self._next_look, self._next_try)):
                    try:
                        self._look()
                    except Exception:  # noqa: BLE001 - the next release shall come through
                        _log.exception("a look for a new release failed; the release in service stays")
        finally:
            self._announcements.close()

    def _look(self) -> None:
        self._next_look = self._next_try = monotonic() + self._poll
        try:
            entry = self._store.current(self._channel)
        except ReleaseError as error:
            if self._store_up:
                _log.warning(
                    "the release store shows no release; the one in service stays", reason=str(error)
                )
            self._show_store(up=False)
            return
        self._show_store(up=True)
        if str(entry.release) == self._serving.current.name:
            self._failed = None
            return
        attempt = _Attempt(entry.manifest_sha256, self._announced(entry))
        if self._failed != attempt:
            self._failures = 0
        elif not self._failures:
            return
        self._try(entry, attempt)

    def _try(self, entry: Entry, attempt: _Attempt) -> None:
        try:
            tagger = bring_in(self._store.url, entry, self._settings.model, self._settings.batch, self._key)
        except ReleaseError as error:
            self._refuse(entry, attempt, error)
            return
        self._failed = None
        self._serving.replace(tagger)

    def _refuse(self, entry: Entry, attempt: _Attempt, error: ReleaseError) -> None:
        self._metrics.releases_refused.labels(error.fault.value).inc()
        self._failed = attempt
        self._failures = self._failures + 1 if error.fault.passes else 0
        if self._failures:
            # Jitter, so that workers which failed together don't come back together.
            self._next_try = monotonic() + uniform(0, min(_SELDOM_SECONDS, 2**self._failures))  # noqa: S311
        _log.warning(
            "a release can't be served; the one in service stays",
            release=str(entry.release),
            serves=self._serving.current.name,
            fault=error.fault.value,
            tried_again=error.fault.passes,
            reason=str(error),
        )

    def _show_store(self, *, up: bool) -> None:
        self._store_up = up
        self._metrics.release_store_up.set(up)

    def _announced(self, entry: Entry) -> datetime | None:
        record = self._announcements.board.channels.get(self._channel)
        if record is None or record.manifest_sha256 != entry.manifest_sha256:
            return None
        return record.announced_at
