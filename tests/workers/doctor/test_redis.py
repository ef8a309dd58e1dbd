"""Redis as it should not be, on real servers."""

from __future__ import annotations

from time import time

import pytest
import redis

from tests.workers.doctor.conftest import Doctor
from workers.local.ports import LOOPBACK, free_ports
from workers.local.valkey import ValkeyServer


def test_a_redis_that_makes_room_passes(doctor: Doctor) -> None:
    seen = doctor()
    assert any("allkeys-lru" in each for each in seen.of("cache", "ok"))
    assert seen.of("clock", "ok")
    assert doctor("--redis-url", "").of("cache", "ok")[0].startswith("no Redis by redis_url")


def test_a_redis_that_refuses_when_full(doctor: Doctor) -> None:
    with ValkeyServer(options={"maxmemory-policy": "noeviction", "maxmemory": "0"}) as server:
        seen = doctor("--redis-url", server.url)
    warned = "\n".join(seen.of("cache", "warn"))
    assert "maxmemory-policy is noeviction" in warned
    assert "set maxmemory" in warned
    assert seen.status == 0


def test_a_wrong_password_and_no_server_and_no_redis(doctor: Doctor) -> None:
    with ValkeyServer() as server:
        client = redis.Redis(host=LOOPBACK, port=server.port)
        client.acl_setuser("default", enabled=True, passwords=["+right"])
        client.close()
        url = server.url.replace("redis://", "redis://:{}@")
        wrong, right = doctor("--redis-url", url.format("secret")), doctor("--redis-url", url.format("right"))
    assert wrong.failing == {"cache"}
    assert "it refuses the user or password" in wrong.of("cache", "fail")[0]
    assert "secret" not in str(wrong.findings)
    assert right.status == 0
    (free,) = free_ports(1)
    assert "no connection" in doctor("--redis-url", f"redis://{LOOPBACK}:{free}").of("cache", "fail")[0]
    assert "is no Redis URL" in doctor("--redis-url", "http://somewhere").of("cache", "fail")[0]


def test_a_redis_that_lets_the_wrong_keys_go(doctor: Doctor) -> None:
    options = {"maxmemory-policy": "volatile-random", "maxmemory": "64mb"}
    with ValkeyServer(options=options) as server:
        (said,) = doctor("--redis-url", server.url).of("cache", "warn")
    assert "volatile-random: once full it lets the wrong keys go -> CONFIG SET" in said


def test_a_password_that_goes_in_clear(doctor: Doctor) -> None:
    with ValkeyServer() as server:
        client = redis.Redis(host=LOOPBACK, port=server.port)
        client.acl_setuser("default", enabled=True, passwords=["+word"])
        client.close()
        here = server.url.replace("redis://", "redis://:word@")
        # Leads here, too, and looks like a name.
        away = here.replace(LOOPBACK, "127.1")
        (said,) = doctor("--redis-url", away).of("cache", "warn")
        assert doctor("--redis-url", here).of("cache", "warn") == []
    assert "the password goes to Redis in clear -> use rediss://" in said


@pytest.mark.parametrize(
    ("seconds", "says"), [(9.0, "s ahead of that of Redis"), (-9.0, "s behind that of Redis")]
)
def test_clocks_that_are_apart(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, seconds: float, says: str
) -> None:
    monkeypatch.setattr("workers.doctor.redis.time", lambda: time() + seconds)
    (said,) = doctor().of("clock", "warn")
    assert says in said
    assert "NTP" in said


def test_the_rights_of_docs_are_enough_and_fewer_are_not(doctor: Doctor) -> None:
    with ValkeyServer() as server:
        client = redis.Redis(host=LOOPBACK, port=server.port)
        url = server.url.replace("redis://", "redis://{}:word@")
        for name, commands in (("ours", ["+get", "+set", "+pexpire"]), ("less", ["+get"])):
            client.acl_setuser(name, enabled=True, passwords=["+word"], keys=["rpbert:*"], commands=commands)
        client.close()
        ours, less = doctor("--redis-url", url.format("ours")), doctor("--redis-url", url.format("less"))
    assert ours.status == 0
    assert any("not for us to read" in each for each in ours.of("cache", "ok"))
    assert "may not run a command that is needed" in less.of("cache", "fail")[0]
