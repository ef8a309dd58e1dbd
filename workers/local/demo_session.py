"""The demo at a terminal: progress, samples, and the prompt of `--stay`."""

from __future__ import annotations

import signal
import sys
from threading import Event, Thread
from uuid import uuid4

from rich.console import Console

from schemas import Post
from workers.errors import SetupError
from workers.local.demo import Demo
from workers.local.errors import LocalServiceError
from workers.local.samples import sample_posts


def show(*, stay: bool, bootstrap_servers: str | None, redis_url: str | None, release: str) -> None:
    """Run the demo.

    Args:
        stay: go on after the samples until the end of input or Ctrl-C.
        bootstrap_servers: the user's Kafka, or None for one of our own.
        redis_url: the user's Redis, or None for one of our own.
        release: model release of the worker.

    Raises:
        SetupError: a part could not start, or a post is missing.
    """
    console = Console(highlight=False)
    # Whoever ends us by SIGTERM wants the servers and their folders gone too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with console.status("starting") as status:
            progress = status.update if console.is_terminal else console.print
            with Demo(
                bootstrap_servers=bootstrap_servers,
                redis_url=redis_url,
                release=release,
                progress=progress,
                console=console,
                page=stay,
            ) as running:
                status.stop()
                complete = running.run_samples(sample_posts(running.pictures.url_of))
                if stay:
                    _stay(running, console)
                status.start()
    except LocalServiceError as error:
        raise SetupError(str(error)) from error
    if not complete:
        raise SetupError("not every sample post came out; see above")


def _stay(running: Demo, console: Console) -> None:
    """Tag what is typed and what other clients produce, until the end of input or Ctrl-C."""
    if running.viewer is not None:
        console.print(f"\nThe live page: [bold]{running.viewer.url}[/bold]")
    console.print(
        f"\nKafka listens at [bold]{running.kafka.bootstrap_servers}[/bold]: produce to "
        f"{running.kafka.input_topic}, or type a post; http(s) URLs in it are taken for its pictures. "
        "Ctrl-D or Ctrl-C ends."
    )
    ended = Event()
    following = Thread(target=_follow, args=(running, ended), name="follow")
    following.start()
    try:
        for line in sys.stdin:
            if line.strip():
                running.produce([_typed(line.strip())])
        if not sys.stdin.isatty():
            # Input has ended, other clients may go on: Ctrl-C is the end then.
            Event().wait()
    except KeyboardInterrupt:
        pass
    finally:
        ended.set()
        following.join()


def _follow(running: Demo, ended: Event) -> None:
    while not ended.is_set():
        for answer in running.stream.answers(timeout=0.2):
            running.show(answer)


def _typed(line: str) -> Post:
    urls = tuple(word for word in line.split() if word.startswith(("http://", "https://")))
    return Post(id=f"typed-{uuid4().hex[:8]}", text=line, image_urls=urls[:4])
