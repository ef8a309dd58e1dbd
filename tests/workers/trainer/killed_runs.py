"""Runs the trainer in processes that are killed at random touches of the disk, and looks at what is left.

Run by `test_killed.py` as a process of its own, without threads, so that it can fork and need not load torch
for each run anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from model.store.reference import ReleaseId
from model.store.store import ReleaseStore
from workers.cli import main as rpbert
from workers.trainer import run as trainer

KILLS = 10
_TOUCHES = frozenset({"open", "os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir", "os.chmod"})


class Touches:
    """Counts how often this process touches files below a directory, and kills it at one of them."""

    def __init__(self, directory: Path, last: int | None = None) -> None:
        self._directory = str(directory)
        self._last = last
        self.seen = 0

    def __call__(self, event: str, arguments: Sequence[object]) -> None:
        if event in _TOUCHES and str(arguments[0]).startswith(self._directory):
            self.seen += 1
            if self.seen == self._last:
                os.kill(os.getpid(), signal.SIGKILL)


def run(words: Sequence[str], *all_touches: Touches) -> tuple[int, list[int]]:
    """Run the trainer in a child.

    Returns:
        Its exit status, negative if it was killed, and if it was not, how often it touched each directory.
    """
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        status: int | str | None = 1
        try:
            for touches in all_touches:
                sys.addaudithook(touches)
            sys.argv = ["rpbert", *words]
            with contextlib.suppress(SystemExit):
                try:
                    rpbert()
                    status = 0
                except SystemExit as end:
                    status = end.code
            os.write(tell, json.dumps([each.seen for each in all_touches]).encode())
        finally:
            # Whatever happens, the child must not go on as its parent.
            os._exit(status if isinstance(status, int) else 1)
    os.close(tell)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with os.fdopen(told, "rb") as pipe:
        return ended, json.loads(pipe.read() or b"[]")


def check(store: ReleaseStore) -> None:
    """Everything that can be seen is whole, and what is in service is among it."""
    releases = store.releases()
    for release in releases:
        store.verify(release)
    assert store.current("stable").release in releases


def main(words: Sequence[str], directory: Path, url: str) -> None:
    torch.set_num_threads(1)
    assert trainer, "everything is loaded before the first fork"
    store = ReleaseStore(url)
    kept = Path(directory / "store")
    draw = random.Random(7)
    status, (everywhere, in_the_store) = run(words, Touches(directory), Touches(kept))
    assert status == 0
    check(store)
    kills = ends = 0
    while kills < KILLS:
        # Every other time while the store is being written, which is a short part of a run.
        # Half of all touches at most: what was killed is gone on with, and gets farther the next time.
        below, most = (kept, in_the_store) if kills % 2 else (directory, everywhere // 2)
        status, _ = run(words, Touches(below, draw.randint(1, most)))
        assert status in (0, -signal.SIGKILL), f"a run ended with {status}"
        kills += status != 0
        ends += status == 0
        check(store)
    status, _ = run(words)
    assert status == 0
    check(store)
    # A run that was gone on with made no second release.
    assert len(store.releases()) == 1 + 1 + ends + 1
    assert store.unfinished() == []
    assert store.current("stable").release == ReleaseId("tiny", f"1.{ends + 2}.0")
    sys.stdout.write(json.dumps({"kills": kills, "ends": ends}) + "\n")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
