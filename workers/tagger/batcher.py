"""Which of the waiting posts go into the next batch, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from workers.settings import BatchSettings


class Waiting(Protocol):
    """What the rule asks of a post that waits for its batch."""

    @property
    def tokens(self) -> int:
        """What the post costs: word pieces and block regions."""

    @property
    def enqueued(self) -> float:
        """When it began to wait, in seconds of the caller's clock."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Positions of the posts that leave now, the shortest first; never empty."""

    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing leaves yet; `seconds` until the oldest post has waited long enough."""

    seconds: float


def next_batch(waiting: Sequence[Waiting], rule: BatchSettings, now: float, *, coming: bool) -> Batch | Wait:
    """Choose the next batch around the post that has waited longest.

    A batch costs its longest post times its posts, for padding is computed too. Around the oldest post the
    nearest in length are taken, so that little is padding and nobody waits for ever. A batch that can't
    grow leaves at once, be it full or be nobody known to come; otherwise it leaves when its oldest post has
    waited `batch_wait_ms`. A post that is larger than the whole budget is a batch alone.

    Args:
        waiting: the posts in the order of their arrival, at least one.
        rule: budget, size and wait.
        now: the time on the clock of `Waiting.enqueued`, in seconds.
        coming: whether the worker has more posts on their way here. Those that Kafka does not hold yet are
            not waited for: they will find the engine idle, or gather while it works.
    """
    by_length = sorted(range(len(waiting)), key=lambda index: waiting[index].tokens)
    first = last = by_length.index(0)
    while last - first + 1 < rule.batch_posts:
        shorter = first > 0 and _cost(waiting, by_length, first - 1, last) <= rule.batch_tokens
        longer = last + 1 < len(by_length) and _cost(waiting, by_length, first, last + 1) <= rule.batch_tokens
        if shorter and longer:
            here = waiting[0].tokens
            below = here - waiting[by_length[first - 1]].tokens
            above = waiting[by_length[last + 1]].tokens - here
            longer = above < below
            shorter = not longer
        if shorter:
            first -= 1
        elif longer:
            last += 1
        else:
            break
    members = tuple(by_length[first : last + 1])
    full = len(members) == rule.batch_posts or len(members) < len(waiting)
    left = waiting[0].enqueued + rule.batch_wait_ms / 1_000 - now
    # A post that fills the budget by itself has nobody to wait for.
    full = full or waiting[0].tokens >= rule.batch_tokens
    return Batch(members) if full or left <= 0 or not coming else Wait(left)


def _cost(waiting: Sequence[Waiting], by_length: Sequence[int], first: int, last: int) -> int:
    return waiting[by_length[last]].tokens * (last - first + 1)
