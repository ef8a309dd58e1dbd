from contextlib import ExitStack, closing
from random import randbytes

import pytest
from kafka import KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType

from tests.workers.tagger.committing import Member, read
from workers import kafka_clients
from workers.settings import Delivery, WorkerSettings
from workers.tagger.publisher import CommitFailed, RecordTooLarge


@pytest.mark.parametrize("delivery", Delivery)
def test_records_and_offsets_are_there_after_a_commit(
    settings: WorkerSettings, stack: ExitStack, delivery: Delivery
) -> None:
    member = Member(settings.model_copy(update={"delivery": delivery}), stack)
    member.join()
    member.commit([(member.record(b"a"), 0), (member.record(b"b"), 1)], {member.input: 5})
    assert sorted(read(settings)) == [(0, b"a"), (1, b"b")]
    assert member.consumer.committed(member.input) == 5


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
