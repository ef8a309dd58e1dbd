"""Input that is no fault and yet not what one expects: each record has its one outcome all the same."""

import json
from datetime import UTC, datetime
from typing import Any

from kafka import KafkaProducer

from schemas import DeadLetterReason, TaggedPost
from tests.conftest import MakeTopics
from tests.pipeline import Pipeline, Record

DAY_MS = 86_400_000


def post(name: str, **fields: object) -> bytes:
    return json.dumps({"id": name, "text": "Anita Borg in Oslo", **fields}).encode()


def spans(result: TaggedPost) -> tuple[tuple[str, int, int], ...]:
    # Not the scores: the last bits of a sum depend on how many posts are in a batch.
    return tuple((entity.type.value, entity.start, entity.end) for entity in result.entities)


def test_a_repeated_post_has_a_result_for_each_of_its_records(pipeline: Pipeline) -> None:
    pipeline.worker()
    # One key, so one partition; the author's own times run backwards.
    records: list[Record] = [
        (b"key", post(name, created_at=f"2026-01-{day:02}T00:00:00Z"), [])
        for name, day in (("a", 9), ("b", 8), ("a", 9), ("c", 7), ("a", 1), ("b", 8))
    ]
    places = pipeline.produce(records)
    results = [result for _, result in pipeline.results(len(records))]
    assert [result.id for result in results] == ["a", "b", "a", "c", "a", "b"]
    assert [(result.source.partition, result.source.offset) for result in results] == places
    assert len({spans(result) for result in results}) == 1


def test_records_of_other_times_come_out_in_the_order_of_their_offsets(
    pipeline: Pipeline, make_topics: MakeTopics
) -> None:
    now = int(datetime.now(UTC).timestamp() * 1_000)
    # A broker refuses a record of tomorrow unless it is told otherwise.
    _, entities, dead = pipeline.topics
    (raw,) = make_topics(
        "raw", partitions=4, message_timestamp_after_max_ms=str(2**60), retention_ms=str(2**60)
    )
    pipeline.topics = (raw, entities, dead)
    pipeline.worker()
    times = [now, now + 400 * DAY_MS, 0, now - 400 * DAY_MS, now + DAY_MS, 1, now]
    producer = KafkaProducer(bootstrap_servers=pipeline.bootstrap_servers)
    try:
        for number, time in enumerate(times):
            producer.send(raw, value=post(str(number)), partition=0, timestamp_ms=time)
        producer.flush()
    finally:
        producer.close()
    results = pipeline.results(len(times))
    assert [result.id for _, result in results] == [str(number) for number in range(len(times))]
    # Nor does a result inherit its post's time.
    assert all(abs(record.timestamp - now) < DAY_MS for record, _ in results)
    assert all(abs(result.processed_at.timestamp() * 1_000 - now) < DAY_MS for _, result in results)


def test_fields_and_headers_of_a_later_schema_change_nothing(pipeline: Pipeline) -> None:
    pipeline.worker()
    later = post("later", reactions={"likes": [1, 2]}, image_alts=["x"], text_v2={"blocks": []})
    headers = [("rpbert.schema", b"post/99"), ("schema", b"\xff")]
    pipeline.produce([(b"k", later, headers), (b"k", post("now"), [])])
    (first, later_result), (_, result) = pipeline.results(2)
    assert (later_result.id, result.id) == ("later", "now")
    assert spans(later_result) == spans(result)
    assert dict(first.headers)["rpbert.schema"] == b"tagged_post/1"


def test_a_giant_record_becomes_a_dead_letter_that_says_where_to_read_it(
    pipeline: Pipeline, make_topics: MakeTopics
) -> None:
    _, entities, dead = pipeline.topics
    (raw,) = make_topics("raw", partitions=4, max_message_bytes=str(16_000_000))
    pipeline.topics = (raw, entities, dead)
    worker = pipeline.worker()
    giant = post("giant", text="x" * 10_000_000)
    places = _produce_giant(pipeline, giant)
    ((record, letter),) = pipeline.dead_letters(1)
    assert (letter.partition, letter.offset) == places
    assert letter.reason is DeadLetterReason.INVALID_POST
    assert letter.field == "text"
    assert letter.omitted_bytes is not None
    assert letter.omitted_bytes >= len(giant)
    assert record.value == b""
    pipeline.produce([(b"k", post("after"), [])])
    assert [result.id for _, result in pipeline.results(1)] == ["after"]
    assert worker.running


def _produce_giant(pipeline: Pipeline, value: bytes) -> tuple[int, int]:
    producer: Any = KafkaProducer(bootstrap_servers=pipeline.bootstrap_servers, max_request_size=20_000_000)
    try:
        place = producer.send(pipeline.topics[0], value=value, partition=1).get(timeout=60)
        return place.partition, place.offset
    finally:
        producer.close()
