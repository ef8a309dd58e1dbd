from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.settings import BatchSettings
from workers.tagger.batcher import Batch, Wait, next_batch

RULE = BatchSettings(batch_tokens=100, batch_posts=8, batch_wait_ms=20)
LATE = 1_000.0


@dataclass(frozen=True)
class Post:
    tokens: int
    enqueued: float = 0.0


def members(waiting: list[Post], rule: BatchSettings = RULE, now: float = LATE) -> list[int]:
    plan = next_batch(waiting, rule, now, coming=True)
    assert isinstance(plan, Batch)
    return sorted(plan.members)


def test_a_lone_post_leaves_at_once() -> None:
    assert next_batch([Post(10, enqueued=5.0)], RULE, now=5.0, coming=False) == Batch((0,))


def test_a_post_waits_from_its_own_arrival_for_those_that_come() -> None:
    plan = next_batch([Post(10, enqueued=5.0)], RULE, now=5.005, coming=True)
    assert isinstance(plan, Wait)
    assert plan.seconds == pytest.approx(0.015)


def test_a_post_leaves_when_its_time_is_up_whoever_comes() -> None:
    assert members([Post(10, enqueued=5.0)], now=5.02) == [0]


def test_a_full_batch_leaves_at_once() -> None:
    assert members([Post(10)] * 10, now=0.0) == list(range(8))


def test_a_batch_that_cannot_grow_leaves_at_once() -> None:
    assert members([Post(60), Post(60)], now=0.0) == [0]


def test_padding_counts() -> None:
    # 10 + 60 are within the budget of 100; two rows of 60 are not.
    assert members([Post(10), Post(60)]) == [0]


def test_a_post_larger_than_the_budget_is_a_batch_alone() -> None:
    assert members([Post(500), Post(5), Post(5)], now=0.0) == [0]


def test_neighbours_in_length_go_together() -> None:
    waiting = [Post(20), Post(5), Post(21), Post(90), Post(19), Post(22)]
    assert [waiting[index].tokens for index in members(waiting)] == [20, 21, 19, 22]


def test_one_long_post_does_not_make_the_others_long() -> None:
    """Nine rows of 90 would be computed for nine posts of 10 to 20."""
    waiting = [Post(tokens) for tokens in (10, 12, 90, 11, 14, 20, 13, 10, 12)]
    rule = BatchSettings(batch_tokens=4_096, batch_posts=64, batch_wait_ms=0, batch_start_tokens=20)
    assert sorted(waiting[index].tokens for index in members(waiting, rule)) == [10, 10, 11, 12, 12, 13, 14]


def test_a_batch_that_costs_much_to_start_takes_them_all() -> None:
    waiting = [Post(tokens) for tokens in (10, 12, 90, 11)]
    rule = BatchSettings(batch_tokens=4_096, batch_posts=64, batch_wait_ms=0, batch_start_tokens=2_000)
    assert members(waiting, rule) == [0, 1, 2, 3]


def test_the_oldest_leaves_though_others_would_be_cheaper() -> None:
    assert members([Post(90), *[Post(10)] * 7]) == [0]


@given(
    tokens=st.lists(st.integers(0, 150), min_size=1, max_size=60),
    budget=st.integers(64, 400),
    posts=st.integers(1, 16),
)
def test_the_oldest_always_leaves_and_the_budget_holds(tokens: list[int], budget: int, posts: int) -> None:
    rule = BatchSettings(batch_tokens=budget, batch_posts=posts, batch_wait_ms=20)
    waiting = [Post(count) for count in tokens]
    chosen = members(waiting, rule)
    assert 0 in chosen
    assert len(set(chosen)) == len(chosen) <= posts
    cost = max(tokens[index] for index in chosen) * len(chosen)
    assert cost <= budget or chosen == [0]


@given(tokens=st.lists(st.integers(1, 150), min_size=1, max_size=60))
def test_repeated_batches_empty_the_queue(tokens: list[int]) -> None:
    waiting = [Post(count) for count in tokens]
    rounds = 0
    while waiting:
        chosen = set(members(waiting))
        waiting = [post for index, post in enumerate(waiting) if index not in chosen]
        rounds += 1
    assert rounds <= len(tokens)
