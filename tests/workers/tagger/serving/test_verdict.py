from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.settings import CandidateSettings
from workers.tagger.serving.verdict import Broken, Record, judge

BOUNDS = CandidateSettings(canary_min_posts=200)


def record(
    seed: int,
    posts: int,
    *,
    failures: int = 0,
    seconds: float = 0.02,
    entities: float = 1.5,
    score: float = 0.8,
) -> Record:
    """What a release does with posts that differ as real ones do."""
    random = Random(seed)
    made = Record()
    for _ in range(posts):
        found = sum(random.random() < entities / 6 for _ in range(6))
        scores = [min(1.0, max(0.0, random.gauss(score, 0.15))) for _ in range(found)]
        made = made.tagged(random.uniform(0.5, 1.5) * seconds, scores)
    for _ in range(failures):
        made = made.failed()
    return made


seeds = st.integers(0, 2**32)
# Each example makes hundreds of posts.
quick = settings(deadline=None, max_examples=40)
SERVED = record(2, 2_000)


@quick
@given(seeds, seeds, st.integers(0, 600), st.integers(0, 600))
def test_two_releases_that_do_the_same_are_never_told_apart(
    one: int, other: int, few: int, many: int
) -> None:
    assert judge(record(one, few), record(other, many), BOUNDS) is None


@pytest.mark.parametrize(
    ("worse", "broken"),
    [
        ({"failures": 60}, Broken.FAILURES),
        ({"seconds": 0.06}, Broken.LATENCY),
        ({"entities": 0.4}, Broken.ENTITIES),
        ({"entities": 0.0}, Broken.ENTITIES),
        ({"entities": 4.0}, Broken.ENTITIES),
        ({"score": 0.5}, Broken.CONFIDENCE),
    ],
)
def test_a_release_that_is_much_worse_is_found_out_and_the_reason_names_the_bound(
    worse: dict[str, float], broken: Broken
) -> None:
    verdict = judge(record(1, 400, **worse), SERVED, BOUNDS)  # type: ignore[arg-type]
    assert verdict is not None
    assert verdict.broken is broken
    assert "served one" in verdict.reason


@quick
@given(st.sampled_from([{"seconds": 0.03}, {"entities": 1.8}, {"score": 0.75}, {"failures": 2}]), seeds)
def test_within_the_bounds_a_release_may_be_a_little_worse(worse: dict[str, float], seed: int) -> None:
    assert judge(record(seed, 400, **worse), SERVED, BOUNDS) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(3, 13))
def test_chance_alone_does_not_carry_a_release_over_a_bound_that_it_stands_at(seed: int) -> None:
    at_the_bound = record(seed, 400, entities=1.5 * BOUNDS.canary_entity_ratio)
    assert judge(at_the_bound, SERVED, BOUNDS) is None


@quick
@given(seeds, st.integers(0, 199))
def test_before_there_are_enough_posts_only_failures_count(seed: int, posts: int) -> None:
    assert judge(record(seed, posts, seconds=9, entities=0), record(2, 400), BOUNDS) is None
    assert judge(record(seed, 400, seconds=9, entities=0), record(2, posts), BOUNDS) is None


def test_a_release_that_fails_on_everything_is_found_out_within_a_few_posts() -> None:
    verdict = judge(Record().failed().failed().failed(), Record(), BOUNDS)
    assert verdict is not None
    assert verdict.broken is Broken.FAILURES


@quick
@given(seeds, st.integers(1, 400), st.integers(0, 400), st.integers(1, 100))
def test_more_failures_never_save_a_release(seed: int, posts: int, failures: int, more: int) -> None:
    served = record(2, 50)
    trial = record(seed, posts, failures=failures)
    worse = trial
    for _ in range(more):
        worse = worse.failed()
    before, after = judge(trial, served, BOUNDS), judge(worse, served, BOUNDS)
    if before is not None and before.broken is Broken.FAILURES:
        assert after is not None
        assert after.broken is Broken.FAILURES


def test_failures_of_both_are_nobody_s_fault() -> None:
    # Say, posts that no release of this architecture can take.
    assert judge(record(1, 300, failures=30), record(2, 3_000, failures=300), BOUNDS) is None
