from collections.abc import Iterator
from contextlib import ExitStack, closing
from random import randbytes
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, MemberToRemove
from kafka.structs import ConsumerGroupMetadata, MemberState

from workers import kafka_clients
from workers.outgoing import Outgoing
from workers.settings import Delivery, KafkaSettings, WorkerSettings
from workers.tagger.process import make_publisher
from workers.tagger.publisher import CommitFailed, PublisherLost, RecordTooLarge


class Member:
    """One member of a group with its publisher, on a topic of the test's own."""

    def __init__(self, settings: WorkerSettings, stack: ExitStack) -> None:
        self.consumer = kafka_clients.group_consumer(settings)
        stack.callback(self.consumer.close)
        self.publisher: Any = make_publisher(settings, self.consumer)
        stack.callback(self.publisher.close, 5)
        self.consumer.subscribe([settings.kafka.input_topic])
        self.settings = settings

    def join(self) -> None:
        while not self.consumer.assignment():
            self.consumer.poll(timeout_ms=100)

    def commit(self, records: Any, offsets: Any) -> None:
        self.publisher.commit(records, offsets, self.consumer.group_metadata())

    def record(self, value: bytes) -> Outgoing:
        return Outgoing(self.settings.kafka.output_topic, b"key", value, [])

    @property
    def input(self) -> TopicPartition:
        return TopicPartition(self.settings.kafka.input_topic, 0)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def settings(kafka: Any, make_topics: Any) -> WorkerSettings:
    raw, entities, dead = make_topics("raw", "entities", "dlq", partitions=2)
    return WorkerSettings(
        kafka=KafkaSettings(
            bootstrap_servers=kafka.bootstrap_servers,
            input_topic=raw,
            output_topic=entities,
            dead_letter_topic=dead,
        ),
        group_id=raw,
    )


def reader(settings: WorkerSettings, isolation: str) -> KafkaConsumer:
    return KafkaConsumer(
        bootstrap_servers=settings.kafka.bootstrap_servers,
        isolation_level=isolation,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )


def read(settings: WorkerSettings) -> list[tuple[int, bytes]]:
    partitions = [TopicPartition(settings.kafka.output_topic, number) for number in range(2)]
    # The broker answers a commit before its markers are written: what is written already is the end.
    with closing(reader(settings, "read_uncommitted")) as all_seeing:
        ends = all_seeing.end_offsets(partitions)
    with closing(reader(settings, "read_committed")) as consumer:
        consumer.assign(partitions)
        found: list[tuple[int, bytes]] = []
        while any(consumer.position(each) < ends[each] for each in partitions):
            for records in consumer.poll(timeout_ms=200).values():
                found += [(record.partition, record.value) for record in records]
        return found


@pytest.mark.parametrize("delivery", Delivery)
def test_records_and_offsets_are_there_after_a_commit(
    settings: WorkerSettings, stack: ExitStack, delivery: Delivery
) -> None:
    member = Member(settings.model_copy(update={"delivery": delivery}), stack)
    member.join()
    member.commit([(member.record(b"a"), 0), (member.record(b"b"), 1)], {member.input: 5})
    assert sorted(read(settings)) == [(0, b"a"), (1, b"b")]
    assert member.consumer.committed(member.input) == 5


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


def test_a_worker_with_the_same_name_fences_the_older(settings: WorkerSettings, stack: ExitStack) -> None:
    named = settings.model_copy(update={"group_instance_id": "pod-0"})
    first = Member(named, stack)
    first.join()
    first.commit([(first.record(b"first"), 0)], {first.input: 1})
    # As after a kill: the pod comes back under its name while the old process may still run.
    kafka_producer = kafka_clients.publishing_producer(named, member="pod-0")
    stack.callback(kafka_producer.close)
    kafka_producer.init_transactions()
    with pytest.raises(PublisherLost):
        first.commit([(first.record(b"zombie"), 0)], {first.input: 2})
    assert read(settings) == [(0, b"first")]


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


def test_the_record_that_its_topic_does_not_take_is_named(settings: WorkerSettings, stack: ExitStack) -> None:
    member = Member(settings, stack)
    member.join()
    large = member.record(randbytes(2_000_000))
    small = [(member.record(b"small"), 0), (member.record(b"other"), 1)]
    with pytest.raises(RecordTooLarge) as raised:
        member.commit([small[0], (large, 0), small[1]], {member.input: 3})
    assert raised.value.record is large
    assert member.consumer.committed(member.input) is None
    member.commit(small, {member.input: 2})
    assert sorted(read(settings)) == [(0, b"small"), (1, b"other")]
    assert member.consumer.committed(member.input) == 2


@pytest.mark.parametrize("delivery", Delivery)
def test_records_that_are_too_large_together_go_through(
    settings: WorkerSettings, stack: ExitStack, delivery: Delivery
) -> None:
    member = Member(settings.model_copy(update={"delivery": delivery}), stack)
    member.join()
    admin = kafka_clients.admin(settings.kafka)
    with closing(admin):
        lower = {"max.message.bytes": "1200"}
        topic = settings.kafka.output_topic
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=lower)])
    values = [randbytes(500) for _ in range(12)]
    records = [(member.record(value), 0) for value in values]
    try:
        member.commit(records, {member.input: 12})
    except CommitFailed:
        member.commit(records, {member.input: 12})
    if delivery is Delivery.EXACTLY_ONCE:
        assert read(settings) == [(0, value) for value in values]
    else:
        assert {value for _, value in read(settings)} == set(values)


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


def test_the_input_s_partition_number_is_kept(settings: WorkerSettings, stack: ExitStack) -> None:
    member = Member(settings, stack)
    member.join()
    records = [(member.record(str(number).encode()), number % 2) for number in range(40)]
    member.commit(records, {member.input: 40})
    for partition in range(2):
        order = [int(value) for where, value in read(settings) if where == partition]
        assert order == list(range(partition, 40, 2))


def test_a_producer_without_transactions_is_not_asked_for_one(settings: WorkerSettings) -> None:
    producer: KafkaProducer = kafka_clients.publishing_producer(
        settings.model_copy(update={"delivery": Delivery.AT_LEAST_ONCE}), member="any"
    )
    assert producer.config["transactional_id"] is None
    producer.close()


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
