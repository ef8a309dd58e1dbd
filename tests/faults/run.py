"""A whole run: posts go in, things break by the schedule, and the checker looks at all that came out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from time import monotonic, sleep
from typing import Final

from kafka.errors import KafkaError
from pydantic import BaseModel, ConfigDict, Field

from tests.faults.checker import Checker
from tests.faults.feeder import Feeder
from tests.faults.reader import Reader
from tests.faults.schedule import Action, Counts, Step, draw
from tests.faults.stage import Stage
from tests.faults.trickle import Trickle
from tests.faults.workload import Workload
from tests.group import committed

# So many posts stand ready behind each fault: it hits a full pipe.
_AHEAD: Final = 2_000
_STALL_SECONDS: Final = 240.0
# When nothing has come for so long, the group is asked whether it takes all for done.
_QUIET_SECONDS: Final = 5.0
# The trickle goes on for so long behind a worker that has come and gone.
_AFTERWARDS_SECONDS: Final = 2.0
_LOOK_SECONDS: Final = 0.1
_TELL_SECONDS: Final = 15.0


class Plan(BaseModel):
    """What a run is asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(1, description="What the schedule is drawn from.")
    posts: int = Field(200_000, ge=100, description="Posts of the backlog; those of a trickle come on top.")
    pods: int = Field(3, ge=1, description="Workers that keep their name over a restart.")
    counts: Counts = Counts()


class Finding(BaseModel):
    """What a run showed."""

    posts: int = Field(description="Posts acknowledged by the brokers.")
    outcomes: int = Field(description="Posts with a result or a dead letter.")
    done: dict[str, int] = Field(description="How often each thing was done.")
    ended: list[str] = Field(description="Workers that ended by themselves and were started again.")
    wrong: list[str] = Field(description="What the checker found; empty when the promise was kept.")
    seconds: float = Field(description="From the first post to the last outcome.")


class Stalled(Exception):
    """Posts are there and nothing comes out: lost or stuck, which the checker will tell."""


def run(plan: Plan, stage: Stage, workload: Workload, tell: Callable[[str], None]) -> Finding:
    """Run on a stage whose workers are ready; they are ended before the last outcomes are read."""
    steps = draw(plan.seed, plan.posts, plan.counts)
    tell(f"seed {plan.seed}, {plan.posts:,} posts, {len(steps)} steps:")
    for step in steps:
        tell(str(step))
    raw, entities, dead = stage.topics
    checker = Checker(workload.key)
    servers = stage.kafka.bootstrap_servers
    feeder = Feeder(servers, raw, stage.partitions, workload)
    reader = Reader(
        servers, results=entities, dead_letters=dead, partitions=stage.partitions, take=checker.take
    )
    began = monotonic()
    stalled: list[str] = []
    with ExitStack() as stack:
        stack.callback(reader.close)
        reader.start()
        stack.callback(stage.end)
        stack.callback(feeder.close)
        feeder.start()
        course = _Course(stage, checker, feeder, reader, tell)
        stack.callback(course.close)
        try:
            course.follow(steps, plan.posts)
        except Stalled as error:
            stalled.append(str(error))
        seconds = monotonic() - began
    return Finding(
        posts=len(feeder.ledger),
        outcomes=checker.distinct,
        done={action.value: course.done[action] for action in Action},
        ended=stage.ended,
        wrong=[*stalled, *checker.findings(feeder.ledger)],
        seconds=round(seconds, 1),
    )


class _Course:
    """Takes the steps of a schedule, each when its moment has come."""

    def __init__(
        self, stage: Stage, checker: Checker, feeder: Feeder, reader: Reader, tell: Callable[[str], None]
    ) -> None:
        self.done: Counter[Action] = Counter()
        self._stage = stage
        self._checker = checker
        self._feeder = feeder
        self._reader = reader
        self._tell = tell
        self._guests: list[str] = []
        self._trickled = 0
        self._visitors = ThreadPoolExecutor(1)
        # Workers are killed while a broker comes back; two brokers at once would leave no majority.
        self._brokers = ThreadPoolExecutor(1)
        self._broker: Future[None] | None = None

    def follow(self, steps: list[Step], posts: int) -> None:
        """Take every step, then wait for the rest of the posts."""
        for step in steps:
            self._feeder.limit = self._trickled + min(posts, step.at + _AHEAD)
            self._wait_for(self._trickled + step.at)
            self._tell(f"{self._checker.distinct:>9,}  {step.action}")
            self._take(step)
            self.done[step.action] += 1
        self._feeder.limit = self._trickled + posts
        self._wait_for(self._feeder.limit)

    def close(self) -> None:
        """Wait until the last broker is back."""
        self._brokers.shutdown()
        self._visitors.shutdown()

    def _take(self, step: Step) -> None:
        stage = self._stage
        match step.action:
            case Action.KILL_WORKER:
                stage.kill(step.target)
            case Action.KILL_BROKER | Action.STOP_BROKER:
                if self._broker is not None:
                    self._broker.result()
                index = step.target % len(stage.kafka.brokers)
                orderly = step.action is Action.STOP_BROKER
                self._broker = self._brokers.submit(stage.restart_broker, index, orderly=orderly)
            case Action.KILL_REDIS:
                stage.valkey.kill()
            case Action.REVIVE_REDIS:
                stage.valkey.start()
            case Action.JOIN:
                self._guests.append(stage.join())
            case Action.LEAVE:
                stage.leave(self._guests.pop())
            case Action.VISIT:
                self._visit()

    def _visit(self) -> None:
        """Behind a backlog workers are full and their polls bring nothing; so it is worked off before."""
        before = self._feeder.limit
        self._wait_for(before)
        visit = self._visitors.submit(self._stage.visit)
        trickle = Trickle(self._feeder)
        trickle.go_on(at_least=visit)
        visit.result()
        trickle.go_on(_AFTERWARDS_SECONDS)
        self._trickled += self._feeder.limit - before

    def _wait_for(self, outcomes: int) -> None:
        best, moved, told = self._checker.distinct, monotonic(), monotonic()
        asked = moved
        while (now := self._checker.distinct) < outcomes:
            self._stage.mend()
            if now > best:
                best, moved, asked = now, monotonic(), monotonic()
            if monotonic() - asked > _QUIET_SECONDS:
                asked = monotonic()
                if self._all_taken_for_done():
                    # The reader may be held up by a transaction that is still open: it is read to its end.
                    return
            if monotonic() - moved > _STALL_SECONDS or self._reader.failure is not None:
                raise Stalled(
                    f"{now:,} outcomes of {len(self._feeder.ledger):,} posts, and no more "
                    f"for {_STALL_SECONDS:.0f} s"
                )
            if monotonic() - told > _TELL_SECONDS:
                told = monotonic()
                self._tell(f"{now:>9,}  outcomes of {len(self._feeder.ledger):,} posts")
            sleep(_LOOK_SECONDS)

    def _all_taken_for_done(self) -> bool:
        """Whether the workers will do no more: what nobody has written by now will never come."""
        produced = len(self._feeder.ledger)
        if produced < self._feeder.limit:
            return False
        try:
            offsets = committed(self._stage.kafka.bootstrap_servers, self._stage.topics[0])
        except KafkaError:
            return False
        return sum(offsets.values()) == produced
