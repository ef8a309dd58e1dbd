"""`rpbert worker`: a tagger process."""

from __future__ import annotations

import os
import signal
import sys
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from threading import Thread

import structlog

from model.heap import keep_heap
from workers.errors import SetupError
from workers.settings import WorkerSettings
from workers.tagger.cores import spin_briefly
from workers.tagger.lasting import lasting


def worker(*, settings: WorkerSettings = WorkerSettings()) -> None:
    """Tag posts from Kafka to Kafka.

    Reads posts, publishes their entities and relation scores. Any number of workers share the partitions
    of the input topic. SIGTERM or Ctrl-C finishes the posts in flight and commits them; a second one stops
    at once, and the posts in flight go to another worker. `--processes 4` runs four workers as one.

    For example:

        rpbert worker --bootstrap-servers kafka:9092 --redis-url redis://redis:6379/0

        RPBERT_BOOTSTRAP_SERVERS=kafka:9092 rpbert worker --device cuda --metrics-port 9400
    """
    keep_heap()
    spin_briefly()
    if settings.processes > 1:
        from workers.tagger.supervisor import supervise

        supervise(settings, one_of_several)
        return
    with lasting():
        from workers.tagger.process import serve

    serve(settings)


def one_of_several(settings: WorkerSettings, assembled: Connection) -> None:
    """One worker of a supervisor's; `assembled` is sent the port of its endpoint."""
    keep_heap()
    # Ctrl-C at a terminal is for the supervisor, which tells us; twice would end us at once.
    os.setsid()
    Thread(target=_end_with_the_supervisor, name="supervisor", daemon=True).start()
    with lasting():
        from workers.tagger.process import serve

    try:
        serve(settings, assembled.send)
    except SetupError as error:
        structlog.get_logger(__name__).error(str(error))
        sys.exit(1)


def _end_with_the_supervisor() -> None:
    """Drain when the supervisor is gone, however it went: nobody else would tell us to end."""
    if (supervisor := parent_process()) is not None:
        supervisor.join()
        os.kill(os.getpid(), signal.SIGTERM)
