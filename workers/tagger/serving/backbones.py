"""The picture services of the releases that are loaded: one for each vision backbone."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

from model.inference import Tagger
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures.service import PictureService


@dataclass(slots=True)
class _Shared:
    service: PictureService
    users: int = 0


class Backbones:
    """Releases of one backbone share a service, and so all it remembers; another backbone has its own.

    Any thread may call it. After `close` nothing is started any more.
    """

    def __init__(self, settings: PictureSettings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._services: dict[str, _Shared] = {}
        self._running = False
        self._lock = Lock()

    def start(self) -> None:
        """Start every service, those that are made later too."""
        with self._lock:
            self._running = True
            for shared in self._services.values():
                shared.service.start()

    def take(self, tagger: Tagger) -> PictureService:
        """The service of a release's backbone.

        Raises:
            SetupError: `redis_url` is no Redis URL.
        """
        digest = tagger.backbone_digest
        with self._lock:
            if digest not in self._services:
                service = PictureService(
                    self._settings,
                    backbone_digest=digest,
                    feature_channels=tagger.feature_channels,
                    metrics=self._metrics,
                )
                if self._running:
                    service.start()
                self._services[digest] = _Shared(service)
            self._services[digest].users += 1
            return self._services[digest].service

    def leave(self, tagger: Tagger) -> None:
        """A release is done; a service that nobody needs ends, within seconds."""
        with self._lock:
            shared = self._services.get(tagger.backbone_digest)
            if shared is None:
                return
            shared.users -= 1
            if not shared.users:
                del self._services[tagger.backbone_digest]
                shared.service.close()

    def close(self) -> None:
        """End every service."""
        with self._lock:
            self._running = False
            for shared in self._services.values():
                shared.service.close()
            self._services.clear()
