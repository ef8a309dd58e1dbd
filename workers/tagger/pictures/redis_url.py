"""A Redis client for a URL: one server, a cluster, or the master that sentinels name.

redis-py itself reads `redis://`, `rediss://` and `unix://`, with what it calls its options in the query
(`?ssl_ca_certs=/etc/ca.pem`). For the others it has classes and no URL; the schemes are those of the
`limits` library, `redis+cluster://` and `redis+sentinel://`, and `rediss+...` for TLS.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from workers.errors import SetupError

Client = Redis | RedisCluster

_CLUSTER_PORT: Final = 6_379
_SENTINEL_PORT: Final = 26_379
_SENTINEL_USER: Final = ("sentinel_username", "sentinel_password")
_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_NODES: Final = {"cluster": _CLUSTER_PORT, "sentinel": _SENTINEL_PORT}


def open_redis(url: str) -> Client:
    """A client for `url`, not yet connected; it neither retries nor keeps time.

    Raises:
        SetupError: it is no URL of a Redis, or names a file that isn't there.
    """
    for option, file in parse_qsl(urlsplit(url).query):
        # The client would find out when it connects, and every time again.
        if option in _FILES and not Path(file).is_file():
            raise SetupError(f"redis_url names a file for {option} that isn't there: {file}")
    try:
        return _open(url)
    except (ValueError, TypeError, RedisError):
        # Without the client's words: they may hold the URL with its password.
        raise SetupError(
            "redis_url is no Redis URL: give redis://host:port/db, rediss:// for TLS, unix:///path, "
            "redis+cluster://host:port,host:port or redis+sentinel://host:port,host:port/master/db, "
            "or leave it empty"
        ) from None


def _open(url: str) -> Client:
    scheme, plus, kind = urlsplit(url).scheme.partition("+")
    if not plus:
        return Redis.from_url(url, **_options())
    if scheme not in ("redis", "rediss") or kind not in _NODES:
        raise ValueError
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    nodes = [_node(host, _NODES[kind]) for host in hosts.split(",")]
    path = parts.path.strip("/")
    given: dict[str, Any] = {**parse_url(f"{scheme}://{user}{at}host/?{parts.query}")}
    del given["host"]
    return _cluster(nodes, path, given) if kind == "cluster" else _master(nodes, path, given)


def _options() -> dict[str, Any]:
    return {
        "decode_responses": False,
        # The time is kept around a whole round trip: the client's own time-out loses cancellations under
        # Python 3.11 (asyncio.wait_for, CPython gh-86296).
        "socket_timeout": None,
        "socket_connect_timeout": None,
        "retry": Retry(NoBackoff(), 0),
    }


def _node(host: str, default_port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{host}")
    if not parts.hostname:
        raise ValueError
    return unquote(parts.hostname), parts.port or default_port


def _cluster(nodes: list[tuple[str, int]], path: str, given: dict[str, Any]) -> RedisCluster:
    if path not in ("", "0"):
        raise ValueError
    given.pop("db", None)
    tls = given.pop("connection_class", None) is SSLConnection
    return RedisCluster(
        startup_nodes=[ClusterNode(host, port) for host, port in nodes],
        # Part of the cache is better than none.
        require_full_coverage=False,
        ssl=tls,
        **given,
        **_options(),
    )


def _master(nodes: list[tuple[str, int]], path: str, given: dict[str, Any]) -> Redis:
    name, _, db = path.partition("/")
    if not name:
        raise ValueError
    if db:
        given["db"] = int(db)
    tls = given.pop("connection_class", None) is SSLConnection
    user, password = (given.pop(option, None) for option in _SENTINEL_USER)
    own = {option: value for option, value in given.items() if option.startswith("ssl_")} | {"ssl": tls}
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        nodes,
        sentinel_kwargs={**own, "username": user, "password": password, **_options()},
        **given,
        ssl=tls,
        **_options(),
    )
    master: Redis = sentinel.master_for(unquote(name))
    return master


async def close_redis(client: Client) -> None:
    """Close a client's connections, also those to the sentinels."""
    await client.aclose()
    if isinstance(client, Redis) and isinstance(client.connection_pool, SentinelConnectionPool):
        for sentinel in client.connection_pool.sentinel_manager.sentinels:
            await sentinel.aclose()
