"""What is followed, on a real broker: committed results beside their posts, and nothing else."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition

from schemas.tagged_post import Source
from tests.workers.viewer.client import Event, events, posts
from tests.workers.viewer.stand import Stand, tagged
from workers import kafka_clients
from workers.settings import ViewerSettings
from workers.viewer.joiner import Joiner
from workers.viewer.server import ViewerServer
from workers.viewer.shown import Place


def bare(stand: Stand, **changed: object) -> ViewerSettings:
    return ViewerSettings(kafka=stand.kafka, viewer_port=0, hide_pictures=True).model_copy(update=changed)


def until(stream: Iterator[Event], name: str) -> list[dict[str, object]]:
    """All posts up to the event that brings the one of that id."""
    seen: list[dict[str, object]] = []
    for event in posts(stream):
        seen += event.data["posts"]
        if name in [post["id"] for post in seen]:
            break
    return seen


def test_what_a_transaction_took_back_is_not_shown(stand: Stand) -> None:
    with ViewerServer(bare(stand)) as server, events(server.url) as stream:
        _, result = tagged("never committed", name="aborted")
        with closing(
            KafkaProducer(
                bootstrap_servers=stand.bootstrap_servers, transactional_id=f"test-{stand.entities}"
            )
        ) as producer:
            producer.init_transactions()
            producer.begin_transaction()
            producer.send(stand.entities, value=result.model_dump_json().encode()).get(timeout=30)
            producer.abort_transaction()
        stand.publish(tagged("committed", name="committed"))
        assert "aborted" not in [post["id"] for post in until(stream, "committed")]


def test_a_record_that_is_no_result_is_passed_by(stand: Stand) -> None:
    with ViewerServer(bare(stand)) as server, events(server.url) as stream:
        with closing(KafkaProducer(bootstrap_servers=stand.bootstrap_servers)) as producer:
            for value in (b"\xff", b"{}", b""):
                producer.send(stand.entities, key=b"k", value=value).get(timeout=30)
        stand.publish(tagged("behind it", name="behind"))
        assert until(stream, "behind")[-1]["text"] == "behind it"


def test_a_post_that_retention_removed_is_shown_by_its_names(stand: Stand) -> None:
    stand.publish(tagged("Ada was here", [("PER", "Ada", 0.9)], name="removed"))
    admin = KafkaAdminClient(bootstrap_servers=stand.bootstrap_servers)
    admin.delete_records({TopicPartition(stand.raw, 0): -1})
    admin.close()
    with ViewerServer(bare(stand)) as server, events(server.url) as stream:
        post = next(each for each in until(stream, "removed") if each["id"] == "removed")
    assert (post["text"], post["latency_ms"]) == (None, None)
    assert post["entities"][0]["text"] == "Ada"  # type: ignore[index]


def test_a_missing_topic_is_told_and_followed_once_it_is_there(stand: Stand) -> None:
    late = f"late.{stand.entities}"
    settings = bare(stand, kafka=stand.kafka.model_copy(update={"output_topic": late}))
    with ViewerServer(settings) as server, events(server.url) as stream:
        told = (event.data["trouble"] for event in stream if event.name == "statistics")
        assert "rpbert topics create" in next(trouble for trouble in told if trouble)
        admin = KafkaAdminClient(bootstrap_servers=stand.bootstrap_servers)
        admin.create_topics({late: {"num_partitions": 1}}, wait_for_metadata=True)
        admin.close()
        assert next(trouble is None for trouble in told if not trouble)
        Stand(stand.bootstrap_servers, stand.raw, late, stand.annotations).publish(
            tagged("late", name="late")
        )
        assert until(stream, "late")


def test_results_are_counted_by_the_time_at_which_they_were_made(stand: Stand) -> None:
    with ViewerServer(bare(stand)) as server:
        old, new = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC)
        _, result = tagged("Ada", [("PER", "Ada", 0.9)])
        server.timeline.count([result.model_copy(update={"processed_at": each}) for each in (old, new)])
        with events(server.url) as stream:
            told = next(
                event for event in stream if event.name == "statistics" and event.data["results"] >= 2
            )
    assert sum(told.data["types"]["PER"]) == sum(told.data["throughput"])
    assert len(told.data["throughput"]) == 60


@pytest.fixture
def joiner(stand: Stand) -> Iterator[Joiner]:
    with closing(kafka_clients.reading_consumer(stand.kafka, from_start=True)) as consumer:
        yield Joiner(consumer, stand.raw, most=2)


def test_more_results_than_can_wait_lose_the_oldest(stand: Stand, joiner: Joiner) -> None:
    with closing(KafkaProducer(bootstrap_servers=stand.bootstrap_servers)) as producer:
        sent = []
        for each in range(10):
            post, result = tagged(f"burst {each}")
            at = producer.send(stand.raw, value=post.model_dump_json().encode()).get(timeout=30)
            source = Source(topic=stand.raw, partition=0, offset=at.offset)
            sent.append((Place(0, each), result.model_copy(update={"source": source})))
    assert joiner.take(sent) == []
    assert joiner.drop_surplus() == 8
    shown = []
    while joiner.waiting:
        shown += joiner.joined()
    assert [each.post.text for each in shown if each.post] == ["burst 8", "burst 9"]
