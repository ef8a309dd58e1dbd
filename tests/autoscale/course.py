"""A run's course: a burst, up to the most workers, a disturbance, down to one; then again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Any, Final

from pydantic import BaseModel, Field

from tests.autoscale.burst import Bursts
from tests.autoscale.kubelet import COMPONENT, Kubelet, evict
from tests.autoscale.objects import NAMESPACE
from tests.autoscale.watch import DEPLOYMENT, Watch
from tests.deploy.control_plane.cluster import Cluster
from tests.faults.checker import Checker
from tests.faults.reader import Reader

_LOOK_SECONDS: Final = 0.5
_TELL_SECONDS: Final = 15.0
_PATIENCE_SECONDS: Final = 420.0


class Wave(BaseModel):
    """What one burst showed; times in seconds since the burst."""

    name: str
    posts: int
    highest_lag: int
    reached_most: float = Field(description="Until every one of the most workers was ready.")
    drained: float = Field(description="Until every post had its outcome.")
    back_to_one: float = Field(
        description="Until one worker was left and the processes of the others had ended."
    )
    most_pods: int = Field(description="The most pods at any time.")
    lag_left: int = Field(description="What the group's lag stayed at: a transaction's markers.")


class Mark(BaseModel):
    """Something that was done, for the plot."""

    at: float
    what: str


class Stuck(Exception):
    """What was waited for did not come."""


@dataclass
class Course:
    """Takes waves, one after the other.

    Attributes:
        cluster: where the pods are.
        kubelet: plays them.
        watch: looks at all.
        reader: hands outcomes to the checker.
        checker: counts them.
        bursts: produces.
        most: how many workers the autoscaler may ask for.
        tell: told of what goes on.
        waves: what each showed.
        marks: what was done when.
        wrong: what was not as it should be.
    """

    cluster: Cluster
    kubelet: Kubelet
    watch: Watch
    reader: Reader
    checker: Checker
    bursts: Bursts
    most: int
    tell: Callable[[str], None]
    waves: list[Wave] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def begin(self) -> None:
        """Wait for the first worker."""
        self._until(lambda: self.watch.last.ready == 1, "one worker is ready")

    def wave(
        self, name: str, posts: int, produce: Callable[[int], None], disturb: Callable[[], None]
    ) -> None:
        """Produce posts, wait until all is quiet again."""
        began, first = self.watch.now, len(self.watch.samples)
        self._mark(f"{posts:,} posts, {name}")
        produce(posts)
        self._until(lambda: self.watch.last.ready == self.most, f"{self.most} workers are ready")
        reached = self.watch.now - began
        disturb()
        self._until(lambda: self.checker.distinct >= len(self.bursts.ledger), "every post has its outcome")
        drained = self.watch.now - began
        self._until(self._quiet, "one worker is left")
        back = self.watch.now - began
        self._until(lambda: not self._active(), "KEDA takes the group for idle")
        seen = self.watch.samples[first:]
        self.waves.append(
            Wave(
                name=name,
                posts=posts,
                highest_lag=max(each.lag for each in seen),
                reached_most=round(reached, 1),
                drained=round(drained, 1),
                back_to_one=round(back, 1),
                most_pods=max(each.pods for each in seen),
                lag_left=seen[-1].lag,
            )
        )
        self.tell(str(self.waves[-1]))

    def evict_one(self) -> None:
        """Evict a worker; a second at the same time must be refused."""
        first, second, *_ = self._names()
        # The budget may not have counted the last worker yet; a drain tries again too.
        self._until(lambda: evict(self.cluster, NAMESPACE, first), "one worker may be evicted")
        self._mark("one evicted")
        if evict(self.cluster, NAMESPACE, second):
            self.wrong.append("a second worker could be evicted while the first was away")

    def roll(self) -> None:
        """Replace every worker by a new one, as a new setting does."""
        before = set(self._names())
        self.cluster.kubectl("rollout", "restart", f"deployment/{DEPLOYMENT}", f"--namespace={NAMESPACE}")
        self._mark("rolled")
        self._until(lambda: not before & set(self._names()), "every worker is another")

    def _quiet(self) -> bool:
        last = self.watch.last
        return last.pods == last.ready == self.kubelet.running == 1

    def _names(self) -> list[str]:
        selector = f"labelSelector=app.kubernetes.io%2Fcomponent%3D{COMPONENT}"
        pods = self.cluster.request(f"/api/v1/namespaces/{NAMESPACE}/pods?{selector}")["items"]
        return [each["metadata"]["name"] for each in pods if "deletionTimestamp" not in each["metadata"]]

    def _active(self) -> bool:
        scaled: Any = self.cluster.request(
            f"/apis/keda.sh/v1alpha1/namespaces/{NAMESPACE}/scaledobjects/{DEPLOYMENT}"
        )
        conditions = {each["type"]: each["status"] for each in scaled["status"]["conditions"]}
        return bool(conditions["Active"] == "True")

    def _mark(self, what: str) -> None:
        self.marks.append(Mark(at=round(self.watch.now, 1), what=what))
        self.tell(what)

    def _until(self, holds: Callable[[], bool], what: str) -> None:
        began = told = monotonic()
        while not holds():
            for each in (self.kubelet, self.watch, self.reader):
                if each.failure is not None:
                    raise Stuck(f"{type(each).__name__} has ended early") from each.failure
            if monotonic() - began > _PATIENCE_SECONDS:
                raise Stuck(f"within {_PATIENCE_SECONDS:.0f} s it did not come to this: {what}")
            if monotonic() - told > _TELL_SECONDS:
                told = monotonic()
                last = self.watch.last
                self.tell(
                    f"lag {last.lag:>7,}   wanted {last.wanted}   pods {last.pods}   ready {last.ready}   "
                    f"outcomes {last.outcomes:>7,}   waiting until {what}"
                )
            sleep(_LOOK_SECONDS)
