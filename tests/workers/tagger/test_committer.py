import sys
from collections.abc import Callable, Iterator
from threading import Event
from typing import Any

import pytest
from kafka.structs import ConsumerGroupMetadata

from workers.metrics import Metrics
from workers.tagger.checkpoint import Prefix
from workers.tagger.committer import Committer
from workers.tagger.publisher import CommitFailed

MEMBER = ConsumerGroupMetadata("group", 3, "member", None)
PREFIX = Prefix((), {})


class Patient:
    """A publisher that answers when it is told to, as a broker does that was away."""

    def __init__(self, answer: Callable[[], None]) -> None:
        self.may_answer = Event()
        self.members: list[ConsumerGroupMetadata] = []
        self._answer = answer

    def commit(self, records: Any, offsets: Any, member: ConsumerGroupMetadata) -> None:
        self.members.append(member)
        self.may_answer.wait()
        self._answer()

    def hurry(self) -> None:
        self.may_answer.set()

    def close(self, timeout: float) -> None:
        pass


def nothing() -> None:
    pass


def refusal() -> None:
    raise CommitFailed("for the test")


def test_a_commit_is_under_way_until_its_outcome_was_asked_for() -> None:
    publisher = Patient(nothing)
    committer = Committer(publisher, Metrics())
    committer.begin(PREFIX, [], MEMBER)
    assert committer.settle() is None
    with pytest.raises(RuntimeError):
        committer.begin(PREFIX, [], MEMBER)
    publisher.may_answer.set()
    assert committer.settle(timeout=20) is PREFIX
    assert committer.settle() is None
    assert publisher.members == [MEMBER]


def test_a_refusal_is_told_once_and_the_next_commit_may_begin() -> None:
    publisher = Patient(refusal)
    committer = Committer(publisher, Metrics())
    committer.begin(PREFIX, [], MEMBER)
    publisher.may_answer.set()
    with pytest.raises(CommitFailed):
        committer.settle(timeout=20)
    committer.begin(PREFIX, [], MEMBER)
    with pytest.raises(CommitFailed):
        committer.settle(timeout=20)


@pytest.fixture
def _threads_take_turns_often() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("_threads_take_turns_often")
def test_a_commit_that_ends_while_it_is_asked_for_is_no_failure() -> None:
    publisher = Patient(nothing)
    publisher.may_answer.set()
    committer = Committer(publisher, Metrics())
    for _ in range(3_000):
        committer.begin(PREFIX, [], MEMBER)
        while committer.settle() is None:
            pass


def test_a_publisher_hears_that_a_rebalance_waits() -> None:
    committer = Committer(Patient(nothing), Metrics())
    committer.begin(PREFIX, [], MEMBER)
    committer.hurry()
    assert committer.settle(timeout=20) is PREFIX
