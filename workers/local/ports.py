"""Free loopback ports for servers that must come back on the same port."""

from __future__ import annotations

import secrets
import socket
import threading

LOOPBACK = "127.0.0.1"

# Below the ranges from which Linux (32768 up) and macOS (49152 up) take the ports of outgoing connections.
# While a broker is down its clients knock at its port again and again; inside that range the kernel may
# give such a client the very port as its own, the two join to themselves, and the broker cannot return.
_CANDIDATES = range(20_000, 32_768)

_issued: set[int] = set()
_lock = threading.Lock()


def free_ports(count: int) -> list[int]:
    """Chooses ports on which nothing listens now, none of them twice in this process.

    Another process may still take one before it is bound: whoever starts a server on it has to be ready
    to choose again.
    """
    chosen: list[int] = []
    with _lock:
        while len(chosen) < count:
            port = secrets.choice(_CANDIDATES)
            if port not in _issued and _is_free(port):
                _issued.add(port)
                chosen.append(port)
    return chosen


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def accepts(port: int) -> bool:
    """Whether a server takes connections on this loopback port."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0):
            return True
    except OSError:
        return False
