"""What is broken in a run, and when: drawn from a seed, so that it can be repeated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

# Shares of the posts between which everything is broken: the pipe is full at the first and at the last.
_FIRST: Final = 0.02
_LAST: Final = 0.95


class Action(StrEnum):
    """One thing that is done to the running system."""

    KILL_WORKER = "kill -9 a worker, start it again"
    KILL_BROKER = "kill -9 a broker, start it again"
    STOP_BROKER = "stop a broker in order, start it again"
    KILL_REDIS = "kill -9 Redis"
    REVIVE_REDIS = "start Redis again"
    JOIN = "one more worker joins"
    LEAVE = "the worker that joined leaves (SIGTERM)"
    VISIT = "beside a trickle of posts, one more worker joins and leaves"


class Counts(BaseModel):
    """How often each thing is done."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    worker_kills: int = Field(30, ge=0)
    broker_kills: int = Field(3, ge=0)
    broker_stops: int = Field(3, ge=0)
    redis_kills: int = Field(3, ge=0)
    joins: int = Field(6, ge=0)
    visits: int = Field(6, ge=0)


@dataclass(frozen=True, slots=True)
class Step:
    """An action and its moment.

    Attributes:
        at: Once so many posts of the backlog have come out.
        action: What is done.
        target: Which one of those there are, modulo their number.
    """

    at: int
    action: Action
    target: int

    def __str__(self) -> str:
        return f"{self.at:>9,}  {self.action} [{self.target}]"


def draw(seed: int, posts: int, counts: Counts) -> list[Step]:
    """The steps of a run in their order; the same for the same arguments.

    A pair, such as killed and revived, takes two moments next to each other of its own kind, so that Redis
    is never killed twice in a row and never left dead.
    """
    random = Random(seed)
    singles = [
        *[Action.KILL_WORKER] * counts.worker_kills,
        *[Action.KILL_BROKER] * counts.broker_kills,
        *[Action.STOP_BROKER] * counts.broker_stops,
        *[Action.VISIT] * counts.visits,
    ]
    steps = [_step(random, moment, action) for action in singles for moment in _moments(random, posts, 1)]
    for pair, times in (
        ((Action.KILL_REDIS, Action.REVIVE_REDIS), counts.redis_kills),
        ((Action.JOIN, Action.LEAVE), counts.joins),
    ):
        moments = sorted(_moments(random, posts, 2 * times))
        steps += [_step(random, moment, pair[index % 2]) for index, moment in enumerate(moments)]
    return sorted(steps, key=lambda step: step.at)


def _moments(random: Random, posts: int, count: int) -> Iterable[int]:
    return [random.randint(int(_FIRST * posts), int(_LAST * posts)) for _ in range(count)]


def _step(random: Random, at: int, action: Action) -> Step:
    return Step(at, action, random.randrange(1_000))
