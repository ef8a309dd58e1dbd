"""The timeline as server-sent events (WHATWG HTML, 9.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response

from workers.viewer.answers import Refused
from workers.viewer.timeline import Timeline

_STATISTICS_SECONDS: Final = 1.0
# News of so long go together, so that a flood is a few events a second; a person sees no difference.
_GATHER_SECONDS: Final = 0.15
# More in that time can't be looked at; they are counted.
_POSTS_AT_ONCE: Final = 30
_PING_SECONDS: Final = 15
_RETRY_MS: Final = 1_000


class Stream:
    """One endless answer for each browser, each knowing only where it is."""

    def __init__(self, timeline: Timeline, *, history: int, most: int) -> None:
        """Serve a timeline.

        Args:
            timeline: what is shown.
            history: posts that a browser begins with.
            most: browsers at a time.
        """
        self._timeline: Final = timeline
        self._history: Final = history
        self._most: Final = most
        self._closed = False

    def close(self) -> None:
        """End every answer, soon."""
        self._closed = True
        self._timeline.wake()

    async def answer(self, request: Request) -> Response:
        """The events from where the browser was, or from the last posts on.

        Raises:
            Refused: 503, as many browsers follow as may.
        """
        if self._timeline.listeners >= self._most:
            raise Refused(503, f"{self._most} browsers follow already; see --max-viewers")
        begun = self._number(request.headers.get("last-event-id", ""))
        return EventSourceResponse(self._events(begun), ping=_PING_SECONDS)

    def _number(self, event_id: str) -> int | None:
        """Where a browser was; None if it was nowhere on this timeline."""
        run, _, number = event_id.partition("-")
        return int(number) if run == self._timeline.run and number.isascii() and number.isdigit() else None

    async def _events(self, begun: int | None) -> AsyncIterator[ServerSentEvent]:
        loop = asyncio.get_running_loop()
        number, most = begun or 0, self._history
        with self._timeline.listening() as news:
            due = loop.time()
            first = True
            while not self._closed:
                news.clear()
                batch = self._timeline.behind(number, most=most)
                if batch.posts or batch.skipped or first:
                    # Who came before the last posts were read has not begun yet.
                    beginning = begun is None and number == 0
                    skipped = 0 if beginning else batch.skipped
                    number = batch.last
                    yield ServerSentEvent(
                        f'{{"posts":[{",".join(batch.posts)}],"skipped":{skipped}}}',
                        event="posts",
                        id=f"{self._timeline.run}-{number}",
                        retry=_RETRY_MS if first else None,
                    )
                    most, first = (self._history if number == 0 else _POSTS_AT_ONCE), False
                if loop.time() >= due:
                    due = loop.time() + _STATISTICS_SECONDS
                    yield ServerSentEvent(self._timeline.statistics(), event="statistics")
                try:
                    async with asyncio.timeout_at(due):
                        await news.wait()
                        await asyncio.sleep(_GATHER_SECONDS)
                except TimeoutError:
                    continue
