"""Does a worker that changes its release a hundred times keep what it has let go of?

    python -m bench.swaps

A real release is swapped for itself under another version, as a worker's thread for releases does it:
from the store, verified, loaded, rehearsed, in place, the old one let go of; between two swaps posts are
tagged. The figure is the process's resident memory after each swap.
"""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree
from time import perf_counter
from typing import Final

from cyclopts import App
from pydantic import BaseModel
from rich.console import Console

from model.heap import keep_heap
from model.inference import Tagger, TagRequest
from model.release import find_release, seal
from model.store.reference import ReleaseId
from model.store.store import ReleaseStore
from tests.faults.record import commit_here, machine
from workers.local.samples import sample_posts
from workers.metrics import Metrics
from workers.settings import BatchSettings, CandidateSettings, ModelSettings, PictureSettings
from workers.tagger.serving.arrival import bring_in
from workers.tagger.serving.serving import Serving

RESULTS: Final = Path(__file__).parent / "results" / "swaps.json"

_VERSIONS: Final = ("1", "2")
_BYTES_PER_MB: Final = 1_000_000

app = App(help=__doc__)
_console = Console(highlight=False)


class Swaps(BaseModel):
    """What was seen.

    Attributes:
        resident_mb: before the first swap and after each, megabytes.
        seconds: from the store into service, for each swap.
    """

    at: datetime
    commit: str
    machine: str
    release: str
    swaps: int
    resident_mb: list[float]
    seconds: list[float]

    def told(self) -> str:
        """In a sentence."""
        first, last = self.resident_mb[1], self.resident_mb[-1]
        return (
            f"{first:.0f} MB after 1 swap, {last:.0f} MB after {self.swaps} ({last / first - 1:+.1%}), "
            f"at most {max(self.resident_mb):.0f} MB in between"
        )


@app.default
def main(*, release: str = "small", swaps: int = 100, batch_posts: int = 8, output: Path = RESULTS) -> None:
    """Write `swaps.json`.

    Args:
        release: what is swapped.
        swaps: how often.
        batch_posts: posts in the batch that each new release tags first.
        output: the file.
    """
    # As a worker does.
    keep_heap()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = str(Path(folder) / "cache")
        seen = measure(_store(release, Path(folder)), release, swaps, BatchSettings(batch_posts=batch_posts))
    output.write_text(seen.model_dump_json(indent=1) + "\n", encoding="utf-8")
    _console.print(seen.told())


def measure(store: ReleaseStore, release: str, swaps: int, batch: BatchSettings) -> Swaps:
    """Swap the two versions of a store so many times."""
    metrics, model = Metrics(), ModelSettings()
    first = Tagger.load(f"{store.url}#swapped/{_VERSIONS[0]}")
    serving = Serving(first, PictureSettings(redis_url=None), CandidateSettings(), metrics)
    del first
    serving.start()
    texts = [post.text for post in sample_posts(str)]
    resident, seconds = [_resident_mb(metrics)], []

    def swap(version: str) -> None:
        entry = store.point("stable", ReleaseId("swapped", version), by="bench", reason="").current
        if entry is None:
            raise RuntimeError("a channel that was pointed at a release has none")
        serving.replace(bring_in(store.url, entry, model, batch, None))
        serving.clear_away()

    # Loaded on one thread and used on another, as in a worker.
    with ThreadPoolExecutor(1) as thread:
        for number in range(1, swaps + 1):
            began = perf_counter()
            thread.submit(swap, _VERSIONS[number % 2]).result()
            seconds.append(perf_counter() - began)
            served = serving.take(None)
            served.tagger.tag([TagRequest(served.tagger.prepare(text)) for text in texts])
            serving.give_back(served)
            del served
            resident.append(_resident_mb(metrics))
            _console.print(f"{number}: {resident[-1]:.0f} MB, {seconds[-1]:.1f} s")
    serving.close()
    return Swaps(
        at=datetime.now(UTC),
        commit=commit_here(),
        machine=machine(),
        release=release,
        swaps=swaps,
        resident_mb=[round(each, 1) for each in resident],
        seconds=[round(each, 2) for each in seconds],
    )


def _store(release: str, folder: Path) -> ReleaseStore:
    store = ReleaseStore(str(folder / "store"))
    for version in _VERSIONS:
        copytree(find_release(release), folder / version)
        seal(folder / version, name="swapped", version=version)
        store.add(folder / version)
    return store


def _resident_mb(metrics: Metrics) -> float:
    return (metrics.registry.get_sample_value("process_resident_memory_bytes") or 0.0) / _BYTES_PER_MB


if __name__ == "__main__":
    app()
