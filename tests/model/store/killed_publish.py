"""Publishes in processes that are killed, at each step and at random moments, and looks at what is left.

Run by `test_killed.py` as a process of its own, without torch and threads, so that it can fork.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

from model.store.reference import ReleaseId
from model.store.store import ReleaseStore

STEPS = frozenset({"open", "os.rename", "os.link", "os.mkdir", "os.remove", "os.chmod"})


def publish(url: str, source: Path) -> None:
    store = ReleaseStore(url)
    release = store.add(source)
    store.verify(release)
    store.point("stable", release, by="ada", reason="")


def killed(url: str, source: Path, *, step: int | None = None, after: float | None = None) -> bool:
    """Publish in a child that is killed before its `step`-th touch of the disk, or after so many seconds.

    Returns:
        Whether it was killed before it had done.
    """
    child = os.fork()
    if not child:
        seen = 0

        def kill(event: str, _arguments: object) -> None:
            nonlocal seen
            if event in STEPS:
                seen += 1
                if seen == step:
                    os.kill(os.getpid(), signal.SIGKILL)

        status = 1
        try:
            if step is not None:
                sys.addaudithook(kill)
            publish(url, source)
            status = 0
        finally:
            # Whatever happens, the child must not go on as its parent.
            os._exit(status)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert ended in (0, -signal.SIGKILL), "the publish failed"
    return ended != 0


def begin_anew(url: str, first: Path, source: Path) -> None:
    """Serve the first release again, and have nothing of another's."""
    for key in (f"small/{source.name}", "channels"):
        ReleaseStore(url).files.remove(key)
    publish(url, first)


def check(url: str, served: set[ReleaseId]) -> None:
    """Everything that can be seen is whole."""
    store = ReleaseStore(url)
    for release in store.releases():
        store.verify(release)
    current = store.current("stable").release
    assert current in served, f"{current} is served, and was never published"
    store.verify(current)


def main(url: str, sources: list[Path]) -> None:
    first, *others = sources
    publish(url, first)
    served = {ReleaseId("small", first.name)}
    points = 0
    source, *others = others
    served.add(ReleaseId("small", source.name))
    while killed(url, source, step=points + 1):
        points += 1
        check(url, served)
        begin_anew(url, first, source)
    check(url, served)
    draw = random.Random(7)
    moments = 0
    for source in others:
        served.add(ReleaseId("small", source.name))
        began = time.monotonic()
        publish(url, source)
        took = time.monotonic() - began
        begin_anew(url, first, source)
        moments += killed(url, source, after=draw.uniform(0, took))
        check(url, served)
        publish(url, source)
        check(url, served)
    sys.stdout.write(f"{points} {moments}\n")


if __name__ == "__main__":
    main(sys.argv[1], [Path(each) for each in sys.argv[2:]])
