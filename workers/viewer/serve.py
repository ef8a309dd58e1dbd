"""A viewer process, from its settings to its end."""

from __future__ import annotations

import signal
from threading import Event
from typing import Final

from rich.console import Console

from workers import logs
from workers.settings import ViewerSettings
from workers.viewer.server import ViewerServer

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def serve(settings: ViewerSettings) -> None:
    """Serve the page until a signal ends it.

    Raises:
        SetupError: something is missing or wrong; the message says what to change.
    """
    logs.set_up()
    ended = Event()
    for number in _SIGNALS:
        signal.signal(number, lambda *_: ended.set())
    with ViewerServer(settings) as server:
        Console(highlight=False).print(
            f"{settings.kafka.output_topic} is shown at {server.url}; Ctrl-C ends", soft_wrap=True
        )
        ended.wait()
