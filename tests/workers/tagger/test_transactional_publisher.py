from contextlib import ExitStack
from time import sleep
from typing import Any

import pytest
from kafka import KafkaProducer, TopicPartition
from kafka.admin import MemberToRemove
from kafka.errors import RequestTimedOutError
from kafka.producer.transaction_manager import EndTxnHandler
from kafka.structs import ConsumerGroupMetadata, MemberState

from tests.workers.tagger.committing import Member, read
from workers import kafka_clients
from workers.outgoing import Outgoing
from workers.settings import WorkerSettings
from workers.tagger.publisher import CommitFailed, PublisherLost, RecordTooLarge


def test_a_refused_commit_shows_nothing_and_the_next_one_goes_through(
    settings: WorkerSettings, stack: ExitStack
) -> None:
    member = Member(settings, stack)
    member.join()
    impossible = Outgoing(settings.kafka.output_topic, None, b"x" * 40_000_000, [])
    with pytest.raises(CommitFailed):
        member.commit([(member.record(b"half"), 0), (impossible, 0)], {member.input: 5})
    assert member.consumer.committed(member.input) is None
    member.commit([(member.record(b"whole"), 0)], {member.input: 6})
    assert read(settings) == [(0, b"whole")]
    assert member.consumer.committed(member.input) == 6


def end_of(member: Member, value: bytes, offset: int) -> type[Exception] | None:
    """How a member's commit ends."""
    try:
        member.commit([(member.record(value), 0)], {member.input: offset})
    except (CommitFailed, PublisherLost) as error:
        return type(error)
    return None


def test_a_worker_with_the_same_name_fences_the_older(settings: WorkerSettings, stack: ExitStack) -> None:
    named = settings.model_copy(update={"group_instance_id": "pod-0"})
    older = Member(named, stack)
    older.join()
    assert end_of(older, b"first", 1) is None
    # As after a kill: the pod comes back under its name while the old process may still run.
    newer = Member(named, stack)
    newer.join()
    ends = [end_of(older, b"zombie", 2) for _ in range(2)]
    assert ends[-1] is PublisherLost
    while end_of(newer, b"second", 2) is CommitFailed:
        pass
    assert read(settings) == [(0, b"first"), (0, b"second")]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("step", ["begin_transaction", "send_offsets_to_transaction", "commit_transaction"])
def test_a_worker_frozen_in_a_commit_leaves_its_successor_alone(
    settings: WorkerSettings, stack: ExitStack, step: str
) -> None:
    named = settings.model_copy(update={"group_instance_id": "pod-0", "transaction_timeout_ms": 1_000})
    older = Member(named, stack)
    older.join()
    producer = older.publisher._producer.get()
    take = getattr(producer, step)
    successors: list[Member] = []

    def frozen(*arguments: Any) -> None:
        setattr(producer, step, take)
        producer.flush()
        successors.append(Member(named, stack))
        successors[0].join()
        assert end_of(successors[0], b"one", 1) is None
        sleep(3)
        take(*arguments)

    setattr(producer, step, frozen)
    ends = [end_of(older, b"zombie", 1) for _ in range(2)]
    assert PublisherLost in ends or ends == [None, PublisherLost]
    while end_of(successors[0], b"two", 2) is CommitFailed:
        pass
    assert read(settings) == [(0, b"one"), (0, b"two")]


def test_an_abort_that_outlasts_the_time_out_ends_nobody(settings: WorkerSettings, stack: ExitStack) -> None:
    member = Member(settings.model_copy(update={"transaction_timeout_ms": 1_000}), stack)
    member.join()
    producer = member.publisher._producer.get()
    abort, send = producer.abort_transaction, producer.send

    def written(*arguments: Any, **options: Any) -> Any:
        future = send(*arguments, **options)
        producer.flush()
        return future

    def late() -> None:
        # As while the transaction's coordinator moves.
        sleep(4)
        abort()

    producer.send, producer.abort_transaction = written, late
    impossible = Outgoing(settings.kafka.output_topic, None, b"x" * 40_000_000, [])
    with pytest.raises(RecordTooLarge):
        member.commit([(member.record(b"half"), 0), (impossible, 0)], {member.input: 5})
    member.commit([(member.record(b"whole"), 0)], {member.input: 6})
    assert read(settings) == [(0, b"whole")]


def test_a_member_that_was_put_out_commits_nothing(settings: WorkerSettings, stack: ExitStack) -> None:
    member = Member(settings, stack)
    member.join()
    admin = kafka_clients.admin(settings.kafka)
    stack.callback(admin.close)
    put_out = member.consumer.group_metadata().member_id
    admin.remove_group_members(settings.group_id, [MemberToRemove(member_id=put_out)])
    with pytest.raises(CommitFailed):
        member.commit([(member.record(b"late"), 0)], {member.input: 3})
    assert read(settings) == []

    # Nor do the refused offsets slip into the next commit, when the member has come back.
    while (now := member.consumer.group_metadata()).state != MemberState.STABLE or now.member_id == put_out:
        member.consumer.poll(timeout_ms=100)
    other = TopicPartition(settings.kafka.input_topic, 1)
    member.commit([(member.record(b"back"), 1)], {other: 7})
    assert read(settings) == [(1, b"back")]
    assert member.consumer.committed(other) == 7
    assert member.consumer.committed(member.input) is None


def test_a_member_without_a_generation_commits_nothing(settings: WorkerSettings, stack: ExitStack) -> None:
    # The broker would take it: it can't tell such a member from a client of before KIP-447.
    member = Member(settings, stack)
    member.join()
    nobody = ConsumerGroupMetadata(settings.group_id, -1, "", None)
    with pytest.raises(CommitFailed):
        member.publisher.commit([(member.record(b"zombie"), 0)], {member.input: 9}, nobody)
    assert member.consumer.committed(member.input) is None
    assert read(settings) == []


@pytest.mark.parametrize("round_trips", [0, 1])
def test_a_transaction_that_the_broker_gave_up_is_not_taken_for_committed(
    settings: WorkerSettings, stack: ExitStack, round_trips: int
) -> None:
    member = Member(settings, stack)
    member.join()
    for number in range(round_trips):
        member.commit([(member.record(b"before"), 0)], {member.input: number + 1})
    producer = member.publisher._producer.get()
    add_offsets = producer.send_offsets_to_transaction

    def late(offsets: Any, group: Any) -> None:
        # In mid-transaction the broker ends it, as after its time-out; so does a producer of that name.
        usurper = kafka_clients.publishing_producer(
            settings, member=producer.config["transactional_id"].removeprefix(f"{settings.group_id}-")
        )
        stack.callback(usurper.close)
        usurper.init_transactions()
        add_offsets(offsets, group)

    producer.send_offsets_to_transaction = late
    with pytest.raises((CommitFailed, PublisherLost)):
        member.commit([(member.record(b"lost"), 0)], {member.input: 9})
    assert member.consumer.committed(member.input) == (round_trips or None)
    assert read(settings) == [(0, b"before")] * round_trips


@pytest.mark.parametrize("step", ["send_offsets_to_transaction", "commit_transaction"])
def test_a_member_goes_on_behind_a_transaction_that_took_too_long(
    settings: WorkerSettings, stack: ExitStack, step: str
) -> None:
    member = Member(settings.model_copy(update={"transaction_timeout_ms": 1_000}), stack)
    member.join()
    producer = member.publisher._producer.get()
    take = getattr(producer, step)

    def late(*arguments: Any) -> None:
        # As while the group's coordinator moves: the broker looks once a second for what is overdue.
        producer.flush()
        sleep(4)
        take(*arguments)

    setattr(producer, step, late)
    with pytest.raises(CommitFailed):
        member.commit([(member.record(b"late"), 0)], {member.input: 5})
    assert member.consumer.committed(member.input) is None
    member.commit([(member.record(b"again"), 0)], {member.input: 5})
    assert read(settings) == [(0, b"again")]
    assert member.consumer.committed(member.input) == 5


def test_a_commit_whose_answer_is_lost_counts_once(
    settings: WorkerSettings, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = Member(settings, stack)
    member.join()
    complete = EndTxnHandler.on_complete

    def unheard(handler: EndTxnHandler, number: int, _answer: Any) -> None:
        # What kafka-python makes of a coordinator that doesn't answer for 30 s.
        monkeypatch.setattr(EndTxnHandler, "on_complete", complete)
        complete(handler, number, RequestTimedOutError())

    monkeypatch.setattr(EndTxnHandler, "on_complete", unheard)
    member.commit([(member.record(b"once"), 0)], {member.input: 5})
    assert read(settings) == [(0, b"once")]
    member.commit([(member.record(b"next"), 0)], {member.input: 6})
    assert read(settings) == [(0, b"once"), (0, b"next")]
    assert member.consumer.committed(member.input) == 6


def test_a_commit_that_is_not_heard_of_and_did_not_happen_is_made_again(
    settings: WorkerSettings, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = Member(settings, stack)
    member.join()

    def unsent(_: KafkaProducer) -> None:
        raise RequestTimedOutError

    monkeypatch.setattr(KafkaProducer, "commit_transaction", unsent)
    monkeypatch.setattr(KafkaProducer, "abort_transaction", unsent)
    with pytest.raises(CommitFailed):
        member.commit([(member.record(b"never"), 0)], {member.input: 5})
    monkeypatch.undo()
    assert member.consumer.committed(member.input) is None
    member.commit([(member.record(b"once"), 0)], {member.input: 5})
    assert read(settings) == [(0, b"once")]
    assert member.consumer.committed(member.input) == 5


@pytest.mark.parametrize("moved", [-1, 7])
def test_a_producer_that_has_lost_count_commits_nothing_and_is_replaced(
    settings: WorkerSettings, stack: ExitStack, moved: int
) -> None:
    member = Member(settings, stack)
    member.join()
    member.commit([(member.record(b"first"), 0)], {member.input: 1})
    # The number of a batch that was written: the broker says "seen before". One that is too high: it refuses.
    numbers = member.publisher._producer.get()._transaction_manager._sequence_numbers
    numbers[TopicPartition(settings.kafka.output_topic, 0)] += moved
    several = [(member.record(b"second"), 0), (member.record(b"elsewhere"), 1)]
    with pytest.raises(CommitFailed):
        member.commit(several, {member.input: 2})
    assert member.consumer.committed(member.input) == 1
    member.commit(several, {member.input: 2})
    assert sorted(read(settings)) == [(0, b"first"), (0, b"second"), (1, b"elsewhere")]
    assert member.consumer.committed(member.input) == 2
