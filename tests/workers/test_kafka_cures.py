import threading
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing
from time import monotonic, sleep
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import MemberToRemove
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.errors import KafkaTimeoutError, NoError

from tests.conftest import MakeTopics
from workers import kafka_clients, kafka_cures
from workers.local.kafka import KafkaCluster
from workers.local.ports import LOOPBACK, free_ports
from workers.settings import KafkaSettings, WorkerSettings


@pytest.mark.parametrize("attempt", range(4))
def test_a_join_that_outlasts_many_polls_is_finished(
    kafka: KafkaCluster, make_topics: MakeTopics, attempt: int
) -> None:
    (topic,) = make_topics("joined", partitions=4)
    settings = WorkerSettings(
        kafka=KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, input_topic=topic), group_id=topic
    )
    with closing(kafka_clients.group_consumer(settings)) as consumer:
        consumer.subscribe([topic])
        deadline = monotonic() + 20
        while len(consumer.assignment()) < 4 and monotonic() < deadline:
            consumer.poll(timeout_ms=5)
        assert len(consumer.assignment()) == 4


class Noted(ConsumerRebalanceListener):  # type: ignore[misc]
    """What a consumer was told of its partitions."""

    def __init__(self) -> None:
        self.told: list[tuple[str, list[int]]] = []

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self.told.append(("assigned", sorted(each.partition for each in assigned)))

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self.told.append(("revoked", sorted(each.partition for each in revoked)))

    def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:
        self.told.append(("lost", sorted(each.partition for each in lost)))


class Group:
    """Members of one group on a topic of two partitions."""

    def __init__(self, settings: WorkerSettings, stack: ExitStack) -> None:
        self._settings, self._stack = settings, stack
        self.topic = settings.kafka.input_topic
        self.session_seconds = settings.session_timeout_ms / 1_000

    def join(self, name: str | None = None) -> tuple[KafkaConsumer, Noted]:
        named = self._settings.model_copy(update={"group_instance_id": name})
        consumer, noted = kafka_clients.group_consumer(named), Noted()
        self._stack.callback(consumer.close, timeout_ms=1_000)
        consumer.subscribe([self.topic], listener=noted)
        return consumer, noted


@pytest.fixture
def group(kafka: KafkaCluster, make_topics: MakeTopics) -> Iterator[Group]:
    (topic,) = make_topics("group", partitions=2)
    settings = WorkerSettings(
        kafka=KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, input_topic=topic), group_id=topic
    )
    with ExitStack() as stack:
        yield Group(settings, stack)


def poll_until(holds: Any, *consumers: KafkaConsumer) -> None:
    deadline = monotonic() + 60
    while not holds():
        assert monotonic() < deadline
        for consumer in consumers:
            consumer.poll(timeout_ms=20)


def test_a_join_that_ends_between_two_polls_is_taken_up(group: Group) -> None:
    consumer, _ = group.join()
    deadline = monotonic() + 20
    while not consumer.assignment() and monotonic() < deadline:
        consumer.poll(timeout_ms=1)
        sleep(0.2)
    assert len(consumer.assignment()) == 2
    assert consumer.group_metadata().generation_id == 1


def test_a_member_put_out_while_it_rejoins_starts_from_what_is_committed(
    kafka: KafkaCluster, group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer, noted = group.join()
    partitions = [TopicPartition(group.topic, number) for number in range(2)]
    poll_until(lambda: len(consumer.assignment()) == 2, consumer)
    assert [consumer.position(each) for each in partitions] == [0, 0]

    coordinator = consumer._coordinator
    join, went = coordinator._do_join_and_sync_async, list[bool]()

    async def join_too_late() -> Any:
        # Between the decision to rejoin and its request: put out, and another has read on to 7.
        if not went:
            went.append(True)
            admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
            with closing(admin):
                member = consumer.group_metadata().member_id
                admin.remove_group_members(group.topic, [MemberToRemove(member_id=member)])
                moved = {each: OffsetAndMetadata(7, "", -1) for each in partitions}
                altered = admin.alter_group_offsets(group.topic, moved)
                assert set(altered.values()) == {NoError}
        return await join()

    note = noted.on_partitions_assigned

    def note_and_pause(assigned: Collection[TopicPartition]) -> None:
        # A fetch would find the topic empty at 7 and go back to its start.
        note(assigned)
        consumer.pause(*assigned)

    monkeypatch.setattr(noted, "on_partitions_assigned", note_and_pause)
    coordinator._do_join_and_sync_async = join_too_late
    coordinator.request_rejoin()
    poll_until(lambda: noted.told.count(("assigned", [0, 1])) == 2, consumer)
    assert noted.told == [("assigned", [0, 1]), ("lost", [0, 1]), ("assigned", [0, 1])]
    poll_until(lambda: [consumer.position(each) for each in partitions] == [7, 7], consumer)


def test_what_was_asked_of_an_assignment_is_no_answer_for_a_later_one(
    kafka: KafkaCluster, group: Group
) -> None:
    partitions = [TopicPartition(group.topic, number) for number in range(2)]
    with closing(KafkaProducer(bootstrap_servers=kafka.bootstrap_servers)) as producer:
        for number in range(20):
            producer.send(group.topic, b"", partition=number % 2)
    consumer, _ = group.join()
    coordinator = consumer._coordinator
    ask, asked = coordinator._send_offset_fetch_request, list[bool]()

    async def slow_once(*arguments: Any) -> Any:
        answer = await ask(*arguments)
        if not asked:
            asked.append(True)
            await coordinator._net.sleep(0.5)
        return answer

    coordinator._send_offset_fetch_request = slow_once
    poll_until(lambda: len(consumer.assignment()) == 2, consumer)
    assert coordinator._offset_fetch_futures
    # Put out before it looks at the answer; another reads on, and leaves.
    other, _ = group.join()
    member = consumer.group_metadata().member_id
    with closing(KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)) as admin:
        admin.remove_group_members(group.topic, [MemberToRemove(member_id=member)])
    poll_until(lambda: len(other.assignment()) == 2, other)
    other.commit({each: OffsetAndMetadata(7, "", -1) for each in partitions})
    other.close()
    deadline = monotonic() + 60
    while consumer.group_metadata().generation_id >= 0 and monotonic() < deadline:
        # Its heartbeat is told, on a thread of its own.
        sleep(0.05)
    read: list[int] = []
    while len(read) < 2 * 3 and monotonic() < deadline:
        read += [record.offset for some in consumer.poll(timeout_ms=20).values() for record in some]
    assert sorted(read) == [7, 7, 8, 8, 9, 9]


def test_a_static_member_that_crashed_and_starts_again_in_time_disturbs_nobody(group: Group) -> None:
    first, _ = group.join("pod-0")
    second, noted = group.join("pod-1")
    poll_until(lambda: {len(first.assignment()), len(second.assignment())} == {1}, first, second)
    held, told = first.assignment(), list(noted.told)
    again, _ = group.join("pod-0")
    poll_until(lambda: again.assignment() == held, again, second)
    assert noted.told == told
    assert len(second.assignment()) == 1


def test_a_static_member_that_is_told_to_end_leaves_its_partitions_to_others(group: Group) -> None:
    first, _ = group.join("pod-0")
    second, _ = group.join("pod-1")
    poll_until(lambda: {len(first.assignment()), len(second.assignment())} == {1}, first, second)
    first.close(timeout_ms=5_000)
    until = monotonic() + group.session_seconds / 2
    while len(second.assignment()) < 2:
        assert monotonic() < until
        second.poll(timeout_ms=20)


def test_a_static_member_is_told_that_another_has_its_place(group: Group) -> None:
    first, _ = group.join("pod-0")
    poll_until(lambda: len(first.assignment()) == 2, first)
    second, _ = group.join("pod-0")
    poll_until(lambda: len(second.assignment()) == 2, second)
    with pytest.raises(kafka_cures.MemberReplaced):
        poll_until(lambda: False, first, second)


@pytest.mark.parametrize("client", [KafkaConsumer, KafkaAdminClient])
def test_a_client_that_can_t_connect_leaves_nothing_behind(client: type[Any]) -> None:
    nobody = f"{LOOPBACK}:{free_ports(1)[0]}"
    before = threading.active_count()
    with pytest.raises(KafkaTimeoutError):
        kafka_cures.made_whole(client, bootstrap_servers=nobody, bootstrap_timeout_ms=300)
    assert threading.active_count() == before
