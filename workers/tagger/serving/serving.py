"""The releases in service: which one takes the next post, and when an old one is done."""

from __future__ import annotations

from threading import Lock

import structlog

from model.inference import Tagger
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.serving.backbones import Backbones
from workers.tagger.serving.served import Served

_log = structlog.get_logger(__name__)


class Serving:
    """The release in service, and those before it that still have posts under way.

    The Kafka thread takes and gives back, another thread replaces: each replacement lies between two posts,
    and so between two batches, since a batch is of one release.
    """

    def __init__(self, tagger: Tagger, settings: PictureSettings, metrics: Metrics) -> None:
        """Serve a release; its pictures are had from `start` on.

        Raises:
            SetupError: `redis_url` is no Redis URL.
        """
        self._metrics = metrics
        self._lock = Lock()
        self._backbones = Backbones(settings, metrics)
        self._retired: list[Served] = []
        self._current = Served(tagger, self._backbones.take(tagger))
        self._show()

    @property
    def current(self) -> Served:
        """The release that takes the next post."""
        return self._current

    def start(self) -> None:
        """Have pictures."""
        self._backbones.start()

    def close(self) -> None:
        """End all pictures; posts under way stay unfinished."""
        self._backbones.close()

    def take(self) -> Served:
        """The release for a post that comes in; it stays loaded until the post is given back."""
        with self._lock:
            self._current.under_way += 1
            return self._current

    def give_back(self, served: Served) -> None:
        """A post is done with its release."""
        with self._lock:
            served.under_way -= 1

    def replace(self, tagger: Tagger) -> None:
        """Serve another release from the next post on; it must be ready."""
        arrived = Served(tagger, self._backbones.take(tagger))
        with self._lock:
            old, self._current = self._current, arrived
            self._retired.append(old)
        self._show()
        self._metrics.release_changes.inc()
        _log.info("another release is served", release=arrived.name, before=old.name)

    def clear_away(self) -> None:
        """Let go of releases whose last post is done; from the thread that replaces."""
        with self._lock:
            done = [served for served in self._retired if not served.under_way]
            self._retired = [served for served in self._retired if served.under_way]
        for served in done:
            self._backbones.leave(served.tagger)

    def _show(self) -> None:
        release = self._current.release
        self._metrics.release.info({"name": release.name, "version": release.version})
