"""Redis: can it be reached, may we do what the cache does, and does it make room by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from time import time
from typing import Any, Final
from urllib.parse import urlsplit

from redis.exceptions import RedisError

from workers.doctor.finding import Check, Finding, fail, ok, warn
from workers.errors import SetupError
from workers.settings import PictureSettings
from workers.tagger.pictures.connection import reason
from workers.tagger.pictures.redis_url import Client, close_redis, open_redis

_KEY: Final = b"rpbert:probe:doctor"
_KEY_MS: Final = 1_000
_POLICIES: Final = ("allkeys-lru", "allkeys-lfu")
_APART_SECONDS: Final = 2.0
_RIGHTS: Final = "allow its user +get +set +pexpire on ~rpbert:*, see docs/cache.md"


@dataclass(frozen=True, slots=True)
class _Seen:
    """What Redis told: each None where our user may not ask."""

    server: Mapping[str, Any] | None
    memory: Mapping[str, Any] | None
    ahead: float | None


def redis(settings: PictureSettings, *, seconds: float) -> Iterator[Finding]:
    """How it stands with the cache, within so many seconds."""
    if not settings.redis_url:
        yield ok(Check.CACHE, "no Redis by redis_url: each worker remembers pictures for itself")
        return
    try:
        seen = asyncio.run(_look(settings.redis_url, seconds))
    except SetupError as error:
        yield fail(Check.CACHE, str(error), "correct --redis-url or RPBERT_REDIS_URL")
    except Exception as error:  # noqa: BLE001 - what listens at the address need not even be a Redis
        yield fail(
            Check.CACHE,
            f"Redis can't be used: {reason(error)}",
            "look at redis_url, see docs/cache.md; until then pictures are fetched and described anew",
        )
    else:
        yield from _judged(seen, settings.redis_url)


def _judged(seen: _Seen, url: str) -> Iterator[Finding]:
    version = "" if seen.server is None else f" {_version(seen.server)}"
    yield ok(Check.CACHE, f"Redis{version} answers, and lets us get, set and prolong")
    parts = urlsplit(url)
    if parts.password and not parts.scheme.startswith(("rediss", "unix")) and not _is_here(parts.hostname):
        yield warn(Check.CACHE, "the password goes to Redis in clear", "use rediss:// in redis_url")
    yield from _memory(seen.memory)
    yield from _clock(seen.ahead)


def _memory(memory: Mapping[str, Any] | None) -> Iterator[Finding]:
    check = Check.CACHE
    if memory is None:
        yield ok(check, "its memory policy is not for us to read; docs/cache.md says what it should be")
        return
    policy, most = memory.get("maxmemory_policy", "noeviction"), int(memory.get("maxmemory", 0))
    if most == 0:
        yield warn(check, "Redis has no maxmemory: it grows for a day of pictures", "set maxmemory, say 1gb")
    if policy not in _POLICIES:
        yield warn(
            check,
            f"its maxmemory-policy is {policy}: once full it "
            + ("refuses what is new" if policy == "noeviction" else "lets the wrong keys go"),
            "CONFIG SET maxmemory-policy allkeys-lru",
        )
    elif most:
        yield ok(check, f"maxmemory {most / 2**20:,.0f} MiB, {policy}")


def _clock(ahead: float | None) -> Iterator[Finding]:
    if ahead is None:
        return
    if abs(ahead) > _APART_SECONDS:
        way = "behind" if ahead > 0 else "ahead of"
        yield warn(
            Check.CLOCK,
            f"this machine's clock is {abs(ahead):.1f} s {way} that of Redis",
            "run an NTP client on both: what is remembered of a URL lapses too soon or too late",
        )
    else:
        yield ok(Check.CLOCK, f"within {_APART_SECONDS:g} s of that of Redis")


async def _look(url: str, seconds: float) -> _Seen:
    client = open_redis(url)
    try:
        async with asyncio.timeout(seconds):
            await client.execute_command("GET", _KEY)
            await client.execute_command("SET", _KEY, b"", "NX", "PX", _KEY_MS)
            await client.execute_command("PEXPIRE", _KEY, _KEY_MS)
            server, memory = await _info(client, "server"), await _info(client, "memory")
            before = time()
            told = await _asked(client, "TIME")
            return _Seen(server, memory, None if told is None else _seconds(told) - (before + time()) / 2)
    finally:
        await close_redis(client)


async def _info(client: Client, section: str) -> Mapping[str, Any] | None:
    told = await _asked(client, "INFO", section)
    return told if isinstance(told, Mapping) else None


async def _asked(client: Client, *command: str) -> Any:
    """The answer of one server, the first of a cluster; None where our user may not ask."""
    try:
        answer = await client.execute_command(*command)
    except RedisError:
        return None
    if isinstance(answer, Mapping) and answer and all(isinstance(each, Mapping) for each in answer.values()):
        return next(iter(answer.values()))
    return answer


def _seconds(told: Any) -> float:
    seconds, microseconds = told
    return int(seconds) + int(microseconds) / 1e6


def _version(server: Mapping[str, Any]) -> str:
    for product in ("valkey", "redis"):
        if f"{product}_version" in server:
            return f"({product.title()} {server[f'{product}_version']})"
    return ""


def _is_here(host: str | None) -> bool:
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"
