"""What a batch takes of workers that have more posts than they can take at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Final

from tests.pipeline import told
from workers.local.worker_process import WorkerProcess

# Of a worker; some fifty whole batches.
_BACKLOG: Final = 3_200
_PATIENCE_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.5


def whole_batch(workers: Sequence[WorkerProcess], fill: Callable[[int], None]) -> tuple[float, float]:
    """Posts and seconds of a batch, on average.

    Args:
        workers: all of them.
        fill: puts so many posts into their topic.

    Raises:
        TimeoutError: they don't end their backlog.
    """
    wanted, before = _BACKLOG * len(workers), _Batches.of(workers)
    fill(wanted)
    until = monotonic() + _PATIENCE_SECONDS
    while (after := _Batches.of(workers)).posts < before.posts + wanted:
        if monotonic() > until:
            raise TimeoutError("the workers don't end their backlog; their logs say why")
        sleep(_LOOK_SECONDS)
    posts = (after.posts - before.posts) / (after.count - before.count)
    return round(posts, 1), round((after.seconds - before.seconds) / (after.tagged - before.tagged), 3)


@dataclass(frozen=True, slots=True)
class _Batches:
    """Batches begun by now, the posts in them, those tagged, and the seconds of that."""

    count: float
    posts: float
    tagged: float
    seconds: float

    @classmethod
    def of(cls, workers: Sequence[WorkerProcess]) -> _Batches:
        """Their sum over workers."""
        return cls(
            count=_sum(workers, "batch_posts_count"),
            posts=_sum(workers, "batch_posts_sum"),
            tagged=_sum(workers, "stage_duration_seconds_count", stage="tag"),
            seconds=_sum(workers, "stage_duration_seconds_sum", stage="tag"),
        )


def _sum(workers: Sequence[WorkerProcess], name: str, **labels: str) -> float:
    return sum(told(worker, name, **labels) for worker in workers)
