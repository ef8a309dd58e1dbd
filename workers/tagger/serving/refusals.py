"""The marks that a worker writes to `models.releases`: not to be served, and why."""

from __future__ import annotations

import socket
from time import monotonic
from typing import Final

import structlog
from kafka.errors import KafkaError

from model.manifest import ReleaseError
from model.store.channel import Entry
from model.store.store import ReleaseStore
from workers.backoff import jittered
from workers.errors import SetupError
from workers.releases.announcement import Announcer, refusal
from workers.settings import WorkerSettings
from workers.tagger.serving.announcements import Announcements

_log = structlog.get_logger(__name__)

_SELDOM_SECONDS: Final = 60.0


class Refusals:
    """Has the other workers told of a release whose trial went wrong here; until it is told, or they know.

    Of several workers that find out at the same moment one writes last; the marks say the same.
    """

    def __init__(self, settings: WorkerSettings, store: ReleaseStore, announcements: Announcements) -> None:
        self._settings = settings
        self._store = store
        self._announcements = announcements
        self._waiting: tuple[Entry, str] | None = None
        self._failures = 0
        self._next_try = 0.0

    def add(self, entry: Entry, reason: str) -> None:
        """Have a release marked; the last one that was added counts."""
        self._waiting, self._failures = (entry, reason), 0
        # So that workers which find out together don't fence each other (KIP-98).
        self._next_try = monotonic() + jittered(1, first=1, most=1)

    def announce(self) -> None:
        """Write what waits, if it is time to."""
        if self._waiting is None or monotonic() < self._next_try:
            return
        entry, reason = self._waiting
        if self._announcements.board.mark(str(entry.release)) is not None:
            self._waiting = None
            return
        by = f"worker of {self._settings.group_id} on {socket.gethostname()}"
        channel = self._settings.candidate.candidate_channel
        try:
            with Announcer.connected(self._settings.kafka) as announcer:
                announcer.announce([refusal(self._store, channel, entry, by=by, reason=reason)])
        except (KafkaError, ReleaseError, SetupError) as error:
            self._failures += 1
            self._next_try = monotonic() + jittered(self._failures, first=2, most=_SELDOM_SECONDS)
            if self._failures == 1:
                _log.warning(
                    "other workers can't be told yet that a release left its bounds",
                    release=str(entry.release),
                    error=str(error) if isinstance(error, SetupError) else type(error).__name__,
                )
            return
        self._waiting = None
