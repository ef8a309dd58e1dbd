"""Whether a release on trial keeps within the bounds that the served release sets: a pure rule.

Both are measured over the same time, on other authors' posts. A bound counts as broken only beyond chance:
by a difference of more than three standard errors, or a lower confidence limit of that width. Workers look
again and again, so a narrower one would end trials that deserve to go on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from math import sqrt
from typing import Final

from workers.settings import CandidateSettings

_DEVIATIONS: Final = 3.0


class Broken(StrEnum):
    """The bound that a release on trial has left."""

    FAILURES = "failures"
    LATENCY = "latency"
    ENTITIES = "entities"
    CONFIDENCE = "confidence"


@dataclass(frozen=True, slots=True)
class Sample:
    """Count, sum and sum of squares of a quantity."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def plus(self, value: float, times: int = 1) -> Sample:
        """With a value seen so many times more."""
        return Sample(self.count + times, self.total + times * value, self.squares + times * value * value)

    @property
    def mean(self) -> float:
        """0 of nothing."""
        return self.total / self.count if self.count else 0.0

    @property
    def error(self) -> float:
        """The mean's standard error."""
        if self.count < 2:  # noqa: PLR2004 - of one value nothing is known
            return float("inf")
        variance = max(0.0, self.squares - self.total * self.mean) / (self.count - 1)
        return sqrt(variance / self.count)


@dataclass(frozen=True, slots=True)
class Record:
    """What a release did with its posts.

    Attributes:
        failures: posts that the model failed on.
        seconds: for each tagged post, seconds that its batch took.
        entities: for each tagged post, how many entities it came out with.
        confidence: for each entity, its score.
    """

    failures: int = 0
    seconds: Sample = Sample()
    entities: Sample = Sample()
    confidence: Sample = Sample()

    @property
    def posts(self) -> int:
        """Posts that it tagged or failed on."""
        return self.failures + self.seconds.count

    def failed(self) -> Record:
        """With one more post that failed."""
        return replace(self, failures=self.failures + 1)

    def tagged(self, seconds: float, scores: list[float]) -> Record:
        """With one more post: what its batch took, and the scores of its entities."""
        confidence = self.confidence
        for score in scores:
            confidence = confidence.plus(score)
        return replace(
            self,
            seconds=self.seconds.plus(seconds),
            entities=self.entities.plus(len(scores)),
            confidence=confidence,
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which bound was left, and how, in a sentence."""

    broken: Broken
    reason: str


def judge(trial: Record, served: Record, bounds: CandidateSettings) -> Verdict | None:
    """Compare a release on trial with the served one; None while it may go on.

    Args:
        trial: what the release on trial did.
        served: what the served one did in the same time.
        bounds: how far they may be apart.
    """
    rate, usual = _rate(trial), _rate(served)
    if _lower_limit(trial.failures, trial.posts) > usual + bounds.canary_failure_margin:
        return Verdict(
            Broken.FAILURES,
            f"the model failed on {trial.failures} of {trial.posts} posts ({rate:.2%}), the served one on "
            f"{usual:.2%}",
        )
    if min(trial.posts, served.posts) < bounds.canary_min_posts:
        return None
    if _beyond(trial.seconds, served.seconds, bounds.canary_latency_ratio):
        return Verdict(
            Broken.LATENCY,
            f"a batch takes {trial.seconds.mean * 1_000:.1f} ms, of the served one "
            f"{served.seconds.mean * 1_000:.1f} ms",
        )
    ratio = bounds.canary_entity_ratio
    if _beyond(trial.entities, served.entities, ratio) or _beyond(served.entities, trial.entities, ratio):
        return Verdict(
            Broken.ENTITIES,
            f"{trial.entities.mean:.2f} entities a post, of the served one {served.entities.mean:.2f}",
        )
    apart = abs(trial.confidence.mean - served.confidence.mean)
    chance = _DEVIATIONS * _together(trial.confidence.error, served.confidence.error)
    if apart - chance > bounds.canary_confidence_margin:
        return Verdict(
            Broken.CONFIDENCE,
            f"a mean entity score of {trial.confidence.mean:.2f}, of the served one "
            f"{served.confidence.mean:.2f}",
        )
    return None


def _beyond(one: Sample, other: Sample, ratio: float) -> bool:
    """Whether a mean is more than `ratio` times another, beyond chance."""
    chance = _DEVIATIONS * _together(one.error, ratio * other.error)
    return one.mean - ratio * other.mean > chance


def _together(one: float, other: float) -> float:
    return sqrt(one * one + other * other)


def _rate(record: Record) -> float:
    return record.failures / record.posts if record.posts else 0.0


def _lower_limit(failures: int, posts: int) -> float:
    """The lower end of Wilson's interval for a rate (Wilson 1927): sound for few posts too."""
    if not failures:
        return 0.0
    squared = _DEVIATIONS * _DEVIATIONS
    rate = failures / posts
    centre = rate + squared / (2 * posts)
    spread = _DEVIATIONS * sqrt(rate * (1 - rate) / posts + squared / (4 * posts * posts))
    return (centre - spread) / (1 + squared / posts)
