"""Hosts in trouble are left alone, so that a dead one costs nothing and an overloaded one is not pressed.

A circuit breaker for each host: after so many failures in a row it opens, after its rest one visit probes
(half-open), and what that meets closes it or begins another rest. A host that names its own time by
`Retry-After` (RFC 9110, 10.2.3) rests for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic
from typing import Final

from schemas import ImageStatus
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures.picture import NoPicture

# Strangers choose the names. A host that is forgotten early only has to fail anew.
_MOST_HOSTS: Final = 4_096


class HostRests(NoPicture):
    """The host is left alone for now and was not asked; the status is that of its last failure."""


class Why(StrEnum):
    """Why a host is left alone."""

    FAILED = "failed"
    ASKED = "asked"


@dataclass(slots=True)
class _Trouble:
    """What is known of a host since its last good answer.

    Attributes:
        status: of its last failure.
        failures: how many in a row.
        until: when its rest ends; None before the first.
        probed: whether a visit is under way after the rest.
    """

    status: ImageStatus
    failures: int = 0
    until: float | None = None
    probed: bool = False


class Visit:
    """One request to a host. What is said last of it counts; nothing said leaves the host as it was."""

    def __init__(self) -> None:
        self.failure: ImageStatus | None = None
        self.rest: float | None = None
        self.good = False

    def answered(self) -> None:
        """The host is well, whatever it had to say of this picture."""
        self.good, self.failure, self.rest = True, None, None

    def failed(self, status: ImageStatus, rest: float | None = None) -> None:
        """The host gave no answer or is overloaded, and wants to be left alone for `rest` seconds."""
        self.good, self.failure, self.rest = False, status, rest


class Rests:
    """Knows which hosts are left alone. Belongs to one event loop."""

    def __init__(
        self, settings: PictureSettings, metrics: Metrics, clock: Callable[[], float] = monotonic
    ) -> None:
        self._failures: Final = settings.fetch_host_failures
        self._rest: Final = settings.fetch_host_rest
        self._longest: Final = settings.fetch_host_rest_max
        self._rests: Final = metrics.rests
        self._spared: Final = metrics.spared
        self._clock: Final = clock
        self._troubles: Final[dict[str, _Trouble]] = {}

    @contextmanager
    def visit(self, host: str) -> Iterator[Visit]:
        """Ask `host` while the block runs, and learn from what the block says of it.

        Raises:
            HostRests: it is left alone for now.
        """
        trouble = self._troubles.get(host)
        probe = trouble is not None and trouble.until is not None
        if trouble is not None and trouble.until is not None:
            if trouble.probed or self._clock() < trouble.until:
                self._spared.inc()
                raise HostRests(trouble.status)
            trouble.probed = True
        visit = Visit()
        try:
            yield visit
        finally:
            if probe and trouble is not None:
                trouble.probed = False
            self._learn(host, visit, probe=probe)

    def _learn(self, host: str, visit: Visit, *, probe: bool) -> None:
        trouble = self._troubles.get(host)
        resting = trouble is not None and trouble.until is not None
        if visit.failure is not None:
            self._note(host, visit.failure, visit.rest, probe=probe)
        # What was asked before the rest began and was answered after says nothing against it.
        elif visit.good and (probe or not resting):
            self._troubles.pop(host, None)

    def _note(self, host: str, status: ImageStatus, rest: float | None, *, probe: bool) -> None:
        trouble = self._troubles.setdefault(host, _Trouble(status))
        trouble.status = status
        trouble.failures += 1
        if rest is not None:
            self._begin(trouble, min(rest, self._longest), Why.ASKED)
        elif probe or trouble.failures >= self._failures:
            self._begin(trouble, self._rest, Why.FAILED)
        if len(self._troubles) > _MOST_HOSTS:
            del self._troubles[next(iter(self._troubles))]

    def _begin(self, trouble: _Trouble, seconds: float, why: Why) -> None:
        until = self._clock() + seconds
        # Several requests were under way: the longest rest that one of them asked for counts, as one.
        if trouble.until is None or trouble.until <= self._clock():
            self._rests.labels(why.value).inc()
        trouble.until = until if trouble.until is None else max(trouble.until, until)
