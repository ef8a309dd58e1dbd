"""Redis as the worker uses it: asked shortly, left alone while in trouble, and never an error."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Any, Final

import structlog
from redis.asyncio.sentinel import MasterNotFoundError
from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
)

from workers.metrics import Metrics
from workers.tagger.pictures.redis_url import close_redis, open_redis

# So long Redis is left alone after a failure: a dead one costs nothing per post, a revived one is soon back.
_PAUSE: Final = 1.0
# Asked to see whether Redis is back: the very command that is needed, for users with few rights (ACL), and
# so many keys that each of a cluster's primaries most likely has one.
_PROBE: Final = tuple(("GET", f"rpbert:probe:{number}".encode()) for number in range(64))
_READS: Final = "GET"
_NEEDS_ROOM: Final = "SET"

# Our own words, the nearest first: the client's may hold the URL with its password.
_REASONS: Final[Sequence[tuple[type[Exception], str]]] = (
    (AuthenticationError, "it refuses the user or password"),
    (OutOfMemoryError, "it is full; set maxmemory-policy allkeys-lru"),
    (ReadOnlyError, "it is read-only: redis_url names a replica"),
    (NoPermissionError, "its user may not run a command that is needed; docs/cache.md lists the rights"),
    (ResponseError, "it refuses the command"),
    (TimeoutError, "it is too slow"),
    (
        MasterNotFoundError,
        "no sentinel can be spoken to that knows the master; look at redis_url, with TLS at its ssl_ca_certs",
    ),
    (RedisClusterException, "it is no Redis Cluster, or not a whole one"),
    (RedisError, "no connection"),
    (OSError, "no connection"),
)

# Of OpenSSL's error the client keeps the text alone, whatever it wraps it in.
_UNTRUSTED: Final = "CERTIFICATE_VERIFY_FAILED"

Command = tuple[str | bytes | int, ...]
"""A command on one key, its second word: so a batch of them can be sent to a cluster too.

Its first word is text, since redis-py finds a command's node by it.
"""

_log = structlog.get_logger(__name__)


class Connection:
    """Runs commands, many in one round trip; whatever Redis does, the answer comes within the time-out."""

    def __init__(self, url: str, timeout: float, metrics: Metrics) -> None:
        """Connects to nothing yet.

        Raises:
            workers.errors.SetupError: `url` is no Redis URL.
        """
        self._redis: Final = open_redis(url)
        self._timeout: Final = timeout
        self._up: Final = metrics.cache_up
        self._trouble: str | None = None
        self._lost: Final = asyncio.Event()
        self._no_writes_until = 0.0

    @property
    def readable(self) -> bool:
        """Whether there is a point in asking."""
        return not self._lost.is_set()

    @property
    def writable(self) -> bool:
        """Whether there is a point in sending anything but reads."""
        return not self._lost.is_set() and monotonic() >= self._no_writes_until

    async def watch(self) -> None:
        """Find out when Redis is back, for ever; run it as a task."""
        await self.run(_PROBE)
        while True:
            await self._lost.wait()
            await asyncio.sleep(_PAUSE)
            # The servers may have changed their roles or their addresses: asked anew, by new connections.
            await self._forget_connections()
            answers = await self._ask(_PROBE)
            if answers is not None:
                errors = [answer for answer in answers if isinstance(answer, Exception)]
                if not errors:
                    self._lost.clear()
                self._note(reason(errors[0]) if errors else None)

    async def run(self, commands: Sequence[Command]) -> list[object] | None:
        """What Redis answers to each command, errors of single ones among it; None without Redis."""
        if self._lost.is_set():
            return None
        answers = await self._ask(commands)
        if answers is None:
            return None
        refused = unread = None
        for command, answer in zip(commands, answers, strict=True):
            if isinstance(answer, Exception) and not _is_of_another_type(answer):
                if command[0] == _READS or not isinstance(answer, ResponseError):
                    unread = answer
                else:
                    refused = answer
        if unread is not None:
            self._lost.set()
            self._note(reason(unread))
        elif refused is not None:
            # A full or read-only Redis still has answers to give: only writing pauses.
            self._no_writes_until = monotonic() + _PAUSE
            self._note(reason(refused))
        elif self._no_writes_until == 0 or any(command[0] == _NEEDS_ROOM for command in commands):
            self._no_writes_until = 0
            # What was under way when Redis was lost may end well; it is back when the watch has found it so.
            if not self._lost.is_set():
                self._note(None)
        return answers

    async def close(self) -> None:
        """Close the connections."""
        await close_redis(self._redis)

    async def _ask(self, commands: Sequence[Command]) -> list[object] | None:
        try:
            async with asyncio.timeout(self._timeout):
                pipeline: Any = self._redis.pipeline(transaction=False)
                for command in commands:
                    pipeline.execute_command(*command)
                answers: list[object] = await pipeline.execute(raise_on_error=False)
        except Exception as error:  # noqa: BLE001 - what listens at the address need not even be a Redis
            self._lost.set()
            self._note(reason(error))
            return None
        return answers

    async def _forget_connections(self) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                await self._redis.aclose()
        except Exception as error:  # noqa: BLE001 - the next question tells how it stands
            _log.debug("a connection to Redis could not be closed", error=type(error).__name__)

    def _note(self, trouble: str | None) -> None:
        self._up.set(trouble is None)
        if (trouble is None) != (self._trouble is None):
            if trouble is None:
                _log.info("Redis is back: picture features are shared again")
            else:
                _log.warning("going on without Redis: pictures are fetched and described anew", why=trouble)
        self._trouble = trouble


def _is_of_another_type(answer: Exception) -> bool:
    return isinstance(answer, ResponseError) and str(answer).startswith("WRONGTYPE")


def reason(error: Exception) -> str:
    """Why Redis can't be used, in our own words."""
    if _UNTRUSTED in str(error):
        return "its certificate is not trusted or names another host; name its authority by ssl_ca_certs"
    # That no node of a cluster could be asked has a reason of its own.
    while isinstance(error, RedisClusterException) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    return next((words for kind, words in _REASONS if isinstance(error, kind)), "it does not speak Redis")
