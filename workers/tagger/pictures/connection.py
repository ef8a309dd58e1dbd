"""Redis as the worker uses it: asked shortly, left alone while in trouble, and never an error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import monotonic
from typing import Any, Final

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, OutOfMemoryError, RedisError, ResponseError

from workers.errors import SetupError
from workers.metrics import Metrics

# So long Redis is left alone after a failure: a dead one costs nothing per post, a revived one is soon back.
_PAUSE: Final = 1.0
_CONNECTIONS: Final = 16
# Asked to see whether Redis is back: the very command that is needed, for users with few rights (ACL).
_NO_KEY: Final = b"rpbert:probe"

_log = structlog.get_logger(__name__)


class Connection:
    """Reads and writes values; whatever Redis does, the answer comes within the time-out."""

    def __init__(self, url: str, timeout: float, metrics: Metrics) -> None:
        try:
            # The time is kept here, around a command as a whole: the client's own time-out loses
            # cancellations under Python 3.11 (asyncio.wait_for, CPython gh-86296).
            self._redis: Final[Redis] = Redis.from_url(
                url,
                decode_responses=False,
                socket_timeout=None,
                socket_connect_timeout=None,
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError:
            raise SetupError(
                "redis_url is no Redis URL: give redis://, rediss:// or unix://, or leave it empty"
            ) from None
        self._timeout: Final = timeout
        self._free: Final = asyncio.Semaphore(_CONNECTIONS)
        self._up: Final = metrics.cache_up
        self._trouble: str | None = None
        self._lost: Final = asyncio.Event()
        self._no_writes_until = 0.0

    async def watch(self) -> None:
        """Find out when Redis is back, for ever; run it as a task."""
        await self.read([_NO_KEY])
        while True:
            await self._lost.wait()
            await asyncio.sleep(_PAUSE)
            if await self._ask(lambda: self._redis.mget([_NO_KEY])) is not None:
                self._lost.clear()
                self._note(None)

    async def read(self, keys: Sequence[bytes]) -> list[object]:
        """The value of each key; None for those that aren't there, or all None without Redis."""
        if keys and not self._lost.is_set():
            values = await self._ask(lambda: self._redis.mget(keys))
            if values is not None and len(values) == len(keys):
                if self._no_writes_until == 0:
                    self._note(None)
                return list(values)
        return [None] * len(keys)

    async def write(self, values: Mapping[bytes, tuple[bytes, int]]) -> None:
        """Store each key's value for its seconds to live; without Redis they are dropped."""
        if self._lost.is_set() or monotonic() < self._no_writes_until:
            return
        pipeline = self._redis.pipeline(transaction=False)
        for key, (value, ttl) in values.items():
            pipeline.set(key, value, ex=ttl)
        answers = await self._ask(lambda: pipeline.execute(raise_on_error=False))
        if answers is None:
            return
        refusals = [answer for answer in answers if isinstance(answer, RedisError)]
        # A full or read-only Redis still has answers to give: only writing pauses.
        self._no_writes_until = monotonic() + _PAUSE if refusals else 0
        self._note(_reason(refusals[0]) if refusals else None)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _ask(self, command: Callable[[], Awaitable[Any]]) -> list[Any] | None:
        try:
            async with asyncio.timeout(self._timeout), self._free:
                answer: list[Any] = await command()
        except Exception as error:  # noqa: BLE001 - what listens at the address need not even be a Redis
            self._lost.set()
            self._note(_reason(error))
            return None
        return answer

    def _note(self, trouble: str | None) -> None:
        self._up.set(trouble is None)
        if (trouble is None) != (self._trouble is None):
            if trouble is None:
                _log.info("Redis is back: picture features are shared again")
            else:
                _log.warning("going on without Redis: pictures are fetched and described anew", why=trouble)
        self._trouble = trouble


def _reason(error: Exception) -> str:
    # Our own words: the client's may hold the URL with its password.
    match error:
        case AuthenticationError():
            return "it refuses the user or password"
        case OutOfMemoryError():
            return "it is full; set maxmemory-policy allkeys-lru"
        case ResponseError():
            return "it refuses the command"
        case TimeoutError():
            return "it is too slow"
        case RedisError() | OSError():
            return "no connection"
    return "it does not speak Redis"
