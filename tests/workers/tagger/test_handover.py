"""What a worker does with the posts it has in hand when it must give partitions up, or ends."""

from collections.abc import Collection, Sequence
from threading import Semaphore
from typing import Any, Final

import pytest
from kafka import TopicPartition

from model.inference import Tagger, Tagging, TagRequest
from tests.group import committed
from tests.pipeline import Pipeline
from tests.workers.tagger.in_process import Slow, Start, posts, wait_until
from workers.settings import BatchSettings

POSTS: Final = 40


def test_what_a_poll_brings_beside_a_revocation_is_worked(pipeline: Pipeline, start: Start) -> None:
    worker = start().wait_ready()
    poll, revoked = worker.worker._poll, list[int]()

    def poll_and_revoke(**limits: Any) -> list[Any]:
        records = poll(**limits)
        others = set(range(pipeline.partitions)) - {record.partition for record in records}
        if records and not revoked:
            revoked.append(others.pop())
            worker.worker.revoked([TopicPartition(pipeline.topics[0], revoked[0])])
        return records

    # As kafka-python does: the listener is called within the poll that brings the others' records.
    worker.worker._poll = poll_and_revoke  # type: ignore[assignment]
    pipeline.produce(posts(20))
    assert sorted(int(result.id) for _, result in pipeline.results(20)) == list(range(20))
    assert revoked


class InHand:
    """A worker that has taken in posts, none of them tagged, and is told of a partition in its next poll."""

    def __init__(self, pipeline: Pipeline, slow: Slow, start: Start, **settings: Any) -> None:
        self._pipeline, self._slow = pipeline, slow
        self.worker = start(slow, **settings).wait_ready().worker
        spread = [
            (str(number).encode(), value, headers) for number, (_, value, headers) in enumerate(posts(POSTS))
        ]
        taken = pipeline.produce(spread)
        # Its posts are not the next in turn.
        self.partition = TopicPartition(pipeline.topics[0], taken[-1][0])
        self.taken = sum(partition == self.partition.partition for partition, _ in taken)
        wait_until(lambda: len(self.worker._checkpoint) == POSTS, "all posts taken in")

    def tell(self, what: str) -> int:
        """Call the listener; how many of the partition's posts are committed when it returns."""
        poll, told = self.worker._poll, list[int]()

        def poll_and_tell(**limits: Any) -> list[Any]:
            if not told:
                self._slow.may_tag.set()
                getattr(self.worker, what)([self.partition])
                offsets = committed(self._pipeline.bootstrap_servers, self._pipeline.topics[0])
                told.append(offsets.get(self.partition.partition, 0))
            return poll(**limits)

        # As kafka-python does: the listener is called within a poll.
        self.worker._poll = poll_and_tell  # type: ignore[assignment]
        wait_until(lambda: bool(told), "the listener's return")
        return told[0]


def test_what_is_in_hand_of_a_partition_that_goes_is_finished_and_committed_first(
    pipeline: Pipeline, tagger: Tagger, start: Start
) -> None:
    in_hand = InHand(pipeline, Slow(tagger), start)
    assert in_hand.tell("revoked") == in_hand.taken > 0


class Rationed(Slow):
    """A release that tags so many batches."""

    def __init__(self, release: Tagger) -> None:
        super().__init__(release)
        self.batches = Semaphore(0)

    def tag(self, requests: Sequence[TagRequest]) -> list[Tagging]:
        self.batches.acquire()
        return super().tag(requests)


def test_posts_of_a_partition_that_goes_are_tagged_before_all_others(
    pipeline: Pipeline, tagger: Tagger, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    rationed = Rationed(tagger)
    in_hand = InHand(pipeline, rationed, start, batch=BatchSettings(batch_posts=1), drain_timeout=2)
    hurry = in_hand.worker._engine.hurry

    def hurry_and_hand_out(partitions: Collection[TopicPartition]) -> None:
        hurry(partitions)
        if partitions:
            # And one for the post that the engine is at, whosever it is.
            rationed.batches.release(in_hand.taken + 1)

    monkeypatch.setattr(in_hand.worker._engine, "hurry", hurry_and_hand_out)
    try:
        assert 0 < in_hand.taken < POSTS / 2
        assert in_hand.tell("revoked") == in_hand.taken
        # The others' turn has come.
        rationed.batches.release(POSTS)
        assert len(pipeline.results(POSTS)) == POSTS
    finally:
        rationed.may_tag.set()
        rationed.batches.release(POSTS)


def test_what_is_in_hand_of_a_partition_that_was_lost_is_never_committed(
    pipeline: Pipeline, tagger: Tagger, start: Start
) -> None:
    in_hand = InHand(pipeline, Slow(tagger), start)
    assert in_hand.tell("lost") == 0
    # Behind them: whatever was to be committed of the lost partition has been by then.
    pipeline.produce(posts(POSTS, first=POSTS))
    kept = [result for _, result in pipeline.results(2 * POSTS - in_hand.taken)]
    assert in_hand.taken > 0
    assert len(kept) == 2 * POSTS - in_hand.taken
    assert not [r for r in kept if r.source.partition == in_hand.partition.partition and int(r.id) < POSTS]


def test_a_worker_told_to_end_finishes_and_commits_what_it_has_in_hand(
    pipeline: Pipeline, tagger: Tagger, start: Start
) -> None:
    slow = Slow(tagger)
    worker = start(slow).wait_ready()
    pipeline.produce(posts(POSTS))
    wait_until(lambda: worker.sample("rpbert_posts_received_total") == POSTS, "all posts taken in")
    worker.worker.stop()
    slow.may_tag.set()
    worker.join()
    assert worker.failure is None
    assert sum(committed(pipeline.bootstrap_servers, pipeline.topics[0]).values()) == POSTS


def test_others_have_a_worker_s_partitions_before_it_has_ended(
    pipeline: Pipeline, tagger: Tagger, start: Start
) -> None:
    slow = Slow(tagger)
    worker = start(slow, drain_timeout=1).wait_ready()
    pipeline.produce(posts(POSTS))
    wait_until(lambda: worker.sample("rpbert_posts_received_total") == POSTS, "all posts taken in")
    worker.worker.stop()
    try:
        start()
        assert len(pipeline.results(POSTS)) == POSTS
        # It is still at the batch that it could not finish in time.
        assert worker.running
    finally:
        slow.may_tag.set()
