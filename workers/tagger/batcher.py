"""Which of the waiting posts go into the next batch, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

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

    A batch is taken to cost its longest post times its posts, for padding costs memory and some time, and
    `batch_start_tokens` for being a batch. Of the posts by length the neighbours of the oldest are taken that
    make this cost least for a token that is no padding: few that are much longer or shorter than the rest,
    yet not few for the sake of it. The oldest is always among them, so nobody waits for ever.

    A batch leaves at once where posts for a full one wait, or where nobody is known to come; otherwise it
    leaves when its oldest post has waited `batch_wait_ms`. A post that is larger than the whole budget is a
    batch alone.

    Args:
        waiting: the posts in the order of their arrival, at least one.
        rule: budget, size and wait.
        now: the time on the clock of `Waiting.enqueued`, in seconds.
        coming: whether the worker has more posts on their way here. Those that Kafka does not hold yet are
            not waited for: they will find the engine idle, or gather while it works.
    """
    by_length = sorted(range(len(waiting)), key=lambda index: waiting[index].tokens)
    lengths = np.array([waiting[index].tokens for index in by_length])
    full = len(waiting) >= rule.batch_posts or lengths.sum() >= rule.batch_tokens
    left = waiting[0].enqueued + rule.batch_wait_ms / 1_000 - now
    if not full and left > 0 and coming:
        return Wait(left)
    first, behind = _cheapest(lengths, by_length.index(0), rule)
    return Batch(tuple(by_length[first:behind]))


def _cheapest(lengths: npt.NDArray[np.int64], oldest: int, rule: BatchSettings) -> tuple[int, int]:
    """Where the batch begins and ends among sorted lengths, by the cost of a token that is no padding."""
    firsts = np.arange(max(0, oldest + 1 - rule.batch_posts), oldest + 1)[:, None]
    behinds = np.arange(oldest + 1, min(len(lengths), oldest + rule.batch_posts) + 1)
    posts = behinds - firsts
    costs = lengths[behinds - 1] * posts
    allowed = (posts <= rule.batch_posts) & ((costs <= rule.batch_tokens) | (posts == 1))
    sums = np.concatenate(([0], lengths.cumsum()))
    # A length of 0 is no word piece at all; the engine is never asked for one, the rule may be.
    tokens = np.maximum(1, sums[behinds] - sums[firsts])
    costs_of_a_token = np.where(allowed, (costs + rule.batch_start_tokens) / tokens, np.inf)
    row, column = np.unravel_index(costs_of_a_token.argmin(), costs_of_a_token.shape)
    return int(firsts[row, 0]), int(behinds[column])
