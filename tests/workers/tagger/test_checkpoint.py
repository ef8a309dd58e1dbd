from hypothesis import given
from hypothesis import strategies as st
from kafka import TopicPartition

from schemas import DeadLetterReason, Source, Stage
from tests.workers.tagger.served import Named, served
from workers.tagger.checkpoint import Checkpoint
from workers.tagger.job import Job
from workers.tagger.unworkable import Unworkable

RELEASE = served(Named())
TOPIC = "posts.raw"


def job(partition: int, offset: int, *, finished: bool = False, written: float = 0.0) -> Job:
    made = Job(
        Source(topic=TOPIC, partition=partition, offset=offset),
        key=None,
        value=b"",
        headers=[],
        served=RELEASE,
        written=written,
    )
    if finished:
        finish(made)
    return made


def finish(made: Job) -> None:
    made.failure = Unworkable(DeadLetterReason.EMPTY, Stage.INTAKE, "for the test")


def filled(*jobs: Job) -> Checkpoint:
    checkpoint = Checkpoint()
    for each in jobs:
        checkpoint.begin(each)
    return checkpoint


def test_nothing_is_ready_behind_an_unfinished_offset() -> None:
    first, second = job(0, 10), job(0, 11, finished=True)
    checkpoint = filled(first, second)
    assert checkpoint.ready(1_000).jobs == ()
    finish(first)
    ready = checkpoint.ready(1_000)
    assert ready.jobs == (first, second)
    assert ready.offsets == {TopicPartition(TOPIC, 0): 12}


def test_fewer_are_ready_where_fewer_are_wanted() -> None:
    jobs = [job(partition, offset, finished=True) for partition in (0, 1) for offset in range(3)]
    ready = filled(*jobs).ready(4)
    assert ready.jobs == tuple(jobs[:4])
    assert ready.offsets == {TopicPartition(TOPIC, 0): 3, TopicPartition(TOPIC, 1): 1}


def test_partitions_do_not_wait_for_each_other() -> None:
    checkpoint = filled(job(0, 5), job(1, 7, finished=True))
    assert checkpoint.ready(1_000).offsets == {TopicPartition(TOPIC, 1): 8}


def test_offsets_with_gaps_are_committed_behind_the_last() -> None:
    checkpoint = filled(job(0, 3, finished=True), job(0, 9, finished=True))
    assert checkpoint.ready(1_000).offsets == {TopicPartition(TOPIC, 0): 10}


def test_a_failed_commit_leaves_everything_for_the_next() -> None:
    checkpoint = filled(job(0, 1, finished=True))
    first = checkpoint.ready(1_000)
    late = job(0, 2, finished=True)
    checkpoint.begin(late)
    second = checkpoint.ready(1_000)
    assert second.jobs == (*first.jobs, late)
    checkpoint.committed(second)
    assert checkpoint.ready(1_000).jobs == ()
    assert len(checkpoint) == 0


def test_a_dropped_partition_is_never_committed() -> None:
    ours, theirs = job(0, 1, finished=True), job(1, 1)
    checkpoint = filled(ours, theirs)
    checkpoint.drop([TopicPartition(TOPIC, 1)])
    finish(theirs)
    assert checkpoint.ready(1_000).jobs == (ours,)


def test_a_partition_that_comes_back_starts_anew() -> None:
    stale = job(0, 1)
    checkpoint = filled(stale)
    checkpoint.drop([TopicPartition(TOPIC, 0)])
    again = job(0, 1)
    checkpoint.begin(again)
    finish(stale)
    assert checkpoint.ready(1_000).jobs == ()
    finish(again)
    assert checkpoint.ready(1_000).jobs == (again,)


@given(order=st.permutations(list(range(20))), commits=st.lists(st.integers(0, 20), max_size=6))
def test_every_offset_is_committed_once_and_in_order(order: list[int], commits: list[int]) -> None:
    jobs = [job(number % 3, number) for number in range(20)]
    checkpoint = filled(*jobs)
    seen: list[Job] = []
    for step, number in enumerate(order):
        finish(jobs[number])
        if step in commits or step == len(order) - 1:
            ready = checkpoint.ready(1_000)
            seen += ready.jobs
            checkpoint.committed(ready)
    for partition in range(3):
        offsets = [each.source.offset for each in seen if each.source.partition == partition]
        assert offsets == [number for number in range(20) if number % 3 == partition]


def test_the_oldest_is_that_of_every_partition_finished_or_not_until_it_is_committed() -> None:
    assert Checkpoint().oldest is None
    first = job(1, 3, finished=True, written=10)
    checkpoint = filled(job(0, 5, written=30), first, job(1, 4, written=20))
    assert checkpoint.oldest == 10
    checkpoint.committed(checkpoint.ready(1_000))
    assert checkpoint.oldest == 20
    checkpoint.drop([TopicPartition(TOPIC, 1)])
    assert checkpoint.oldest == 30
    checkpoint.drop([TopicPartition(TOPIC, 0)])
    assert checkpoint.oldest is None
