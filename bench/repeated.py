"""What goes on beside a measurement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread


@contextmanager
def repeated(turn: Callable[[], object], name: str) -> Iterator[None]:
    """Within it a thread of that name calls `turn` again and again; the last one is waited for."""
    ending = Event()

    def run() -> None:
        while not ending.is_set():
            turn()

    thread = Thread(target=run, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()
