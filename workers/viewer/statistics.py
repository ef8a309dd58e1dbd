"""Counts of all results over the last minutes, the shown and the passed over alike."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from time import time
from typing import Any, Final

from schemas import EntityType, TaggedPost

BUCKETS: Final = 60
BUCKET_SECONDS: Final = 5
_RATE_BUCKETS: Final = 2


@dataclass(slots=True)
class _Bucket:
    """Results that workers finished within one span of time."""

    number: int
    results: int = 0
    types: Counter[EntityType] = field(default_factory=Counter)


class Statistics:
    """Results by the time at which workers finished them, in spans of `BUCKET_SECONDS`."""

    def __init__(self) -> None:
        self._buckets: Final[deque[_Bucket]] = deque(maxlen=BUCKETS)
        self.results = 0

    def count(self, result: TaggedPost) -> None:
        """Count one result; one that is older than all spans only adds to the whole."""
        self.results += 1
        now = self._now()
        # A worker's clock may be ahead of ours.
        number = min(int(result.processed_at.timestamp() // BUCKET_SECONDS), now)
        self._open(now)
        age = now - number
        if age < len(self._buckets):
            bucket = self._buckets[-1 - age]
            bucket.results += 1
            bucket.types.update(entity.type for entity in result.entities)

    def content(self) -> dict[str, Any]:
        """What the page is told, for JSON; spans from the oldest to the one that is under way."""
        self._open(self._now())
        whole = list(self._buckets)[-1 - _RATE_BUCKETS : -1]
        return {
            "results": self.results,
            "bucket_seconds": BUCKET_SECONDS,
            "per_second": sum(bucket.results for bucket in whole) / (BUCKET_SECONDS * _RATE_BUCKETS),
            "throughput": [bucket.results for bucket in self._buckets],
            "types": {each.value: [bucket.types[each] for bucket in self._buckets] for each in EntityType},
        }

    def _open(self, now: int) -> None:
        last = self._buckets[-1].number if self._buckets else now - BUCKETS
        for number in range(max(last, now - BUCKETS) + 1, now + 1):
            self._buckets.append(_Bucket(number))

    def _now(self) -> int:
        return int(time() // BUCKET_SECONDS)
