"""The last posts, for any number of browsers: each is a number in here, not a queue of its own."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from json import dumps
from threading import Lock
from typing import Final
from uuid import uuid4

from schemas import TaggedPost
from workers.viewer.shown import Place, ShownPost
from workers.viewer.statistics import Statistics

_MAX_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Batch:
    """Posts behind a number.

    Attributes:
        posts: JSON of each, the oldest first.
        last: the number of the last one.
        skipped: posts behind the asked number that are not among them.
    """

    posts: tuple[str, ...]
    last: int
    skipped: int


class Timeline:
    """The last posts, numbered in the order of their arrival. May be used from any thread.

    Bounded by posts and by bytes, whoever listens and however slowly.

    Attributes:
        run: names this timeline; a number of another means nothing here.
        lag: records that wait for the workers; None while it is not known.
        trouble: what keeps news from coming, None if nothing does.
    """

    def __init__(self, history: int, *, max_bytes: int = _MAX_BYTES) -> None:
        self.run: Final = uuid4().hex[:12]
        self.lag: int | None = None
        self.trouble: str | None = None
        self._history: Final = history
        self._max_bytes: Final = max_bytes
        self._lock: Final = Lock()
        self._statistics: Final = Statistics()
        self._posts: Final[deque[tuple[int, Place, str]]] = deque()
        self._places: Final[dict[Place, ShownPost]] = {}
        self._bytes = 0
        self._last = 0
        self._listeners: Final[set[tuple[asyncio.AbstractEventLoop, asyncio.Event]]] = set()

    def count(self, results: Sequence[TaggedPost]) -> None:
        """Count results, whether they are to be shown or not."""
        with self._lock:
            for result in results:
                self._statistics.count(result)

    def add(self, posts: Sequence[ShownPost], *, passed_over: int = 0) -> None:
        """Add posts, and a number of those that came between and are not shown."""
        texts = [dumps(post.content(), ensure_ascii=False, separators=(",", ":")) for post in posts]
        with self._lock:
            self._last += passed_over
            for post, text in zip(posts, texts, strict=True):
                self._last += 1
                self._posts.append((self._last, post.place, text))
                self._places[post.place] = post
                self._bytes += len(text)
            while len(self._posts) > self._history or (self._bytes > self._max_bytes and self._posts):
                _, place, text = self._posts.popleft()
                self._bytes -= len(text)
                self._places.pop(place, None)
        self.wake()

    def wake(self) -> None:
        """Let who listens look again."""
        with self._lock:
            listeners = list(self._listeners)
        for loop, event in listeners:
            loop.call_soon_threadsafe(event.set)

    def behind(self, number: int, *, most: int) -> Batch:
        """The newest posts behind a number, at most so many."""
        with self._lock:
            fresh: deque[str] = deque()
            for own, _, text in reversed(self._posts):
                if own <= number or len(fresh) == most:
                    break
                fresh.appendleft(text)
            return Batch(tuple(fresh), self._last, max(0, self._last - number - len(fresh)))

    def find(self, place: Place) -> ShownPost | None:
        """The post whose result stands there, if it is among the last."""
        with self._lock:
            return self._places.get(place)

    def statistics(self) -> str:
        """JSON of the counts, the lag and the trouble."""
        with self._lock:
            content = self._statistics.content()
        return dumps(content | {"lag": self.lag, "trouble": self.trouble, "viewers": len(self._listeners)})

    @property
    def listeners(self) -> int:
        """Browsers that follow."""
        return len(self._listeners)

    @contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """An event, set whenever there is news; for the running event loop."""
        listener = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._listeners.add(listener)
        try:
            yield listener[1]
        finally:
            with self._lock:
                self._listeners.discard(listener)
