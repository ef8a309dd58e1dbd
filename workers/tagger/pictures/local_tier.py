"""The tier in front of Redis: what this worker saw last, in its own memory."""

from __future__ import annotations

from threading import Lock
from typing import Final

from cachetools import LRUCache

from workers.metrics import Metrics
from workers.tagger.pictures.lead import Lead, Memory
from workers.tagger.pictures.picture import Features

# A lead is some hundred bytes: together they stay below 20 MB.
_LEADS: Final = 32_768
_BYTES_PER_MB: Final = 1_000_000


class LocalTier:
    """Leads and features, the least recently used giving way; any thread may ask.

    The engine's thread asks just before it would describe a picture, the pictures' thread before Redis.
    """

    def __init__(self, megabytes: int, metrics: Metrics) -> None:
        """Holds nothing yet.

        Args:
            megabytes: what the features may take; 0 to keep neither features nor leads.
            metrics: tells how much is held.
        """
        self._held: Final = metrics.cache_local_bytes
        self._lock: Final = Lock()
        self._features: Final[LRUCache[str, Features]] = LRUCache(megabytes * _BYTES_PER_MB, _bytes)
        self._leads: Final[LRUCache[str, Lead]] = LRUCache(_LEADS if megabytes else 0)

    def recall(self, url: str) -> Memory:
        """What is known of a URL."""
        with self._lock:
            lead: Lead | None = self._leads.get(url)
            content = None if lead is None else lead.content
            return Memory(lead, None if content is None else self._features.get(content))

    def features(self, content: str) -> Features | None:
        """The features of a picture."""
        with self._lock:
            found: Features | None = self._features.get(content)
            return found

    def keep_lead(self, url: str, lead: Lead) -> None:
        """Keep where a URL leads."""
        with self._lock:
            if self._leads.maxsize:
                self._leads[url] = lead

    def keep_features(self, content: str, features: Features) -> None:
        """Keep a picture's features; they must not change afterwards."""
        with self._lock:
            if features.nbytes <= self._features.maxsize:
                # A view of a whole batch's features would hold them all.
                self._features[content] = features if features.base is None else features.copy()
                self._held.set(self._features.currsize)


def _bytes(features: Features) -> int:
    return features.nbytes
