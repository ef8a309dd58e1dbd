"""The local Valkey: a cache that may vanish and come back."""

from __future__ import annotations

import os
import socket

import pytest
import redis

from workers.local.errors import PortTakenError
from workers.local.ports import LOOPBACK
from workers.local.valkey import ValkeyServer


def test_it_is_a_cache_that_forgets_the_least_used(valkey: ValkeyServer) -> None:
    with redis.Redis.from_url(valkey.url) as client:
        client.set("picture", b"features")
        assert client.get("picture") == b"features"
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "allkeys-lru"}
        assert client.config_get("save") == {"save": ""}


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_it_comes_back_empty_on_the_same_port(end: str) -> None:
    with ValkeyServer() as server:
        url = server.url
        with redis.Redis.from_url(url) as client:
            client.set("picture", b"features")
        getattr(server, end)()
        assert not server.running
        server.start()
        assert server.url == url
        with redis.Redis.from_url(url) as client:
            assert client.get("picture") is None


def test_closing_leaves_no_process() -> None:
    with ValkeyServer() as server:
        pid = server.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as occupant:
        occupant.bind((LOOPBACK, 0))
        occupant.listen()
        port = occupant.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"Port {port} for Valkey was taken"):
            ValkeyServer(port=port).__enter__()
