"""What kafka-python 3.0.12 gets wrong and our guarantees need: each cure says what happened without it.

All reach into private parts, since no public way leads there: a new release of kafka-python has to be looked
at by its tests, `tests/workers/test_kafka_cures.py`.
"""
# ruff: noqa: SLF001 - that is the point of this module

from __future__ import annotations

from typing import Any, TypeVar

from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import FencedInstanceIdError, KafkaError

_Client = TypeVar("_Client")


class MemberReplaced(Exception):
    """Another process has joined the group under this one's group instance id."""


def made_whole(client: type[_Client], **options: Any) -> _Client:
    """A client that has connected, or none.

    kafka-python 3.0.12 leaves the thread and the sockets of one that can't connect for good. Whoever asks
    again until the brokers are back runs out of both.
    """
    made: Any = client.__new__(client)
    try:
        made.__init__(**options)
    except BaseException:
        if (started := getattr(made, "_client", None)) is not None:
            started.close()
        raise
    whole: _Client = made
    return whole


def cure_consumer(consumer: KafkaConsumer) -> None:
    """Make a member of a group finish its joins, give up what it lost, end when it is replaced, and leave."""
    _finish_what_it_joins(consumer)
    _take_up_what_was_joined(consumer)
    _ask_anew_where_it_stands(consumer)
    _lose_what_it_lost(consumer)
    _end_when_replaced(consumer)
    _leave_when_closed(consumer)


def cure_producer(producer: KafkaProducer) -> None:
    """Make a producer end a transaction whole, or fail."""
    _keep_what_it_asks(producer)
    _fail_rather_than_begin_anew(producer)


def _finish_what_it_joins(consumer: KafkaConsumer) -> None:
    """Make a consumer come back to a join that outlasted a `poll`.

    A join that was caused by new metadata (at the very start, or when a topic gets more partitions) stops
    being asked for in the middle, once the leader has noted the metadata. kafka-python 3.0.12 then never
    takes up its result when the poll's time ran out before: the member stays without partitions and
    without heartbeats, for ever. At 20 ms a poll that happened to one start in 25.
    """
    coordinator = consumer._coordinator
    needed = coordinator.need_rejoin
    coordinator.need_rejoin = lambda: coordinator.rejoining or needed()


def _take_up_what_was_joined(consumer: KafkaConsumer) -> None:
    """Make a consumer keep a join that ended while nobody waited for it.

    kafka-python 3.0.12 waits for a join within `poll` alone and lets it go on when the poll's time runs out.
    One that had ended by the next poll was thrown away and begun anew, and the other members learn of that
    by their heartbeats, three seconds later. At 20 ms a poll a group went round like this for minutes, and
    nobody read the partitions in question.
    """
    coordinator = consumer._coordinator
    join, complete = coordinator._do_join_and_sync_async, coordinator._on_join_complete_async
    joined: list[tuple[Any, bytes]] = []

    async def join_unless_joined() -> bytes:
        for generation, kept in joined:
            if generation is coordinator._generation:
                return kept
        assignment: bytes = await join()
        joined[:] = [(coordinator._generation, assignment)]
        return assignment

    async def take_up(*args: Any) -> None:
        joined.clear()
        await complete(*args)

    coordinator._do_join_and_sync_async = join_unless_joined
    coordinator._on_join_complete_async = take_up


def _ask_anew_where_it_stands(consumer: KafkaConsumer) -> None:
    """Make a consumer forget what it has asked of an earlier assignment.

    kafka-python 3.0.12 keeps a question for committed offsets that outlasted its `poll`, by the partitions
    that it is about, until they are asked for again. A member that was put out meanwhile, and got the same
    partitions back when another had read on, took the old answer: all that the other had done came twice.
    """
    coordinator = consumer._coordinator
    complete = coordinator._on_join_complete_async

    async def forget_and_take_up(*args: Any) -> None:
        coordinator._offset_fetch_futures.clear()
        await complete(*args)

    coordinator._on_join_complete_async = forget_and_take_up


def _lose_what_it_lost(consumer: KafkaConsumer) -> None:
    """Make a consumer that is put out while it rejoins give up its partitions.

    kafka-python 3.0.12 asks once, as a rejoin begins, whether the membership is lost. A member that is put
    out later (frozen, or cut off, with its request to join under way) came back under a new id with its old
    partitions and positions, although another had read on from there: posts came out twice. Java's client
    had the same fault (KAFKA-12983).
    """
    coordinator = consumer._coordinator
    reset = coordinator.reset_generation

    def reset_and_ask_again(*args: Any, **kwargs: Any) -> None:
        reset(*args, **kwargs)
        coordinator.rejoining = False

    coordinator.reset_generation = reset_and_ask_again


def _end_when_replaced(consumer: KafkaConsumer) -> None:
    """Make a static member's `poll` raise when another has taken its place (KIP-345).

    kafka-python 3.0.12 only stops its heartbeats then, and reads on.
    """
    coordinator = consumer._coordinator
    send = coordinator._send_heartbeat_request

    async def send_heartbeat() -> None:
        try:
            await send()
        except FencedInstanceIdError as error:
            # No KafkaError: of those the loop of heartbeats makes nothing.
            raise MemberReplaced from error

    coordinator._send_heartbeat_request = send_heartbeat


def _leave_when_closed(consumer: KafkaConsumer) -> None:
    """Make a static member say that it goes, as a dynamic one does.

    By KIP-345 a static member keeps its partitions until it comes back or its session ends. A worker that is
    told to end takes longer to come back than a rebalance does, and a Deployment's next pod has another name.
    One that crashed still finds its place kept.
    """
    consumer._coordinator.is_dynamic_member = lambda: True


def _keep_what_it_asks(producer: KafkaProducer) -> None:
    """Make a producer send a transaction's request again when its coordinator's broker has died.

    kafka-python 3.0.12 takes the request from its queue and asks for a connection. Where that raises, because
    the broker is away, the request is forgotten and whoever waits for its answer waits for ever. Told that
    the node is not ready, by the return value that the caller looks at, it asks where the coordinator has
    moved and sends the request there.
    """
    client = producer._sender._client
    await_ready = client.await_ready

    def is_ready(node_id: int | str, timeout_ms: float) -> bool:
        try:
            return bool(await_ready(node_id, timeout_ms=timeout_ms))
        except KafkaError:
            return False

    client.await_ready = is_ready


def _fail_rather_than_begin_anew(producer: KafkaProducer) -> None:
    """Make a producer whose batches have lost their order fail for good.

    kafka-python 3.0.12 asks for a new epoch instead (KIP-360), also in mid-transaction: what it had sent is
    aborted by the broker, some of what it had not is forgotten, and the rest may be committed.
    """
    manager = producer._transaction_manager
    if manager is not None and manager.is_transactional():
        manager._supports_epoch_bump = lambda: False
