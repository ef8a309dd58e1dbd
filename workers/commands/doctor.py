"""`rpbert doctor`: what stands between the settings and a worker at work."""

from __future__ import annotations

import sys

from workers.settings import WorkerSettings


def doctor(
    *, settings: WorkerSettings = WorkerSettings(), picture_url: str | None = None, json: bool = False
) -> None:
    """Look at brokers, topics, rights, Redis, release and device as a worker would, and say what to mend.

    Give it the flags or the environment of the worker. It changes nothing but for one entry in the brokers'
    transaction log, of an id that no worker has, and a key in Redis that lapses within a second. A worker
    asks the quick part of it before it joins its group. In a pipe each finding is a line with tabs between
    verdict, check, what was seen and what to do. Exit status: 0 nothing fails, 1 something does.

    For example:

        rpbert doctor --bootstrap-servers kafka:9092 --redis-url redis://redis:6379/0

        rpbert doctor --picture-url https://pictures.example/one.jpg

        rpbert doctor --json

    Args:
        settings: those of the worker.
        picture_url: a picture to fetch from here, by the way that workers fetch it; none by default.
        json: one JSON object, `passes` and `findings`.
    """
    from workers.doctor.report import examine_and_print

    if not examine_and_print(settings, picture_url, as_json=json):
        sys.exit(1)
