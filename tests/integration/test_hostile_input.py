"""A thousand records of a stranger: one outcome each, and none stops the worker."""

from random import Random

import pytest
from kafka import KafkaProducer

from model.inference import Tagger
from schemas import DeadLetterReason
from tests.hostile import Name, giant_records, hostile_names, hostile_records, long_texts
from tests.pipeline import Pipeline, Record
from tests.workers.tagger.in_process import InProcess, settings_of, wait_until
from workers.tagger.intake import read_post
from workers.tagger.unworkable import Unworkable

SEED = 20_261_124
COUNT = 1_000
WAVES = 3
MEGABYTE = 1_000_000


def produce(pipeline: Pipeline, records: list[Record]) -> list[tuple[int, int]]:
    """Produce in compressed batches: ten megabytes of one letter are a few kilobytes then."""
    producer = KafkaProducer(
        bootstrap_servers=pipeline.bootstrap_servers, compression_type="zstd", max_request_size=12_000_000
    )
    try:
        futures = [
            producer.send(pipeline.topics[0], key=key, value=value, headers=headers)
            for key, value, headers in records
        ]
        places = [future.get(timeout=60) for future in futures]
        return [(place.partition, place.offset) for place in places]
    finally:
        producer.close()


def is_post(value: bytes | None) -> bool:
    try:
        read_post(value)
    except Unworkable:
        return False
    return True


def wave(seed: int) -> list[Record]:
    records = [*hostile_records(seed, COUNT // 2), *giant_records(seed), *long_texts(seed, 8)]
    Random(seed).shuffle(records)
    return records


@pytest.mark.timeout(400)
def test_a_thousand_hostile_records_have_one_outcome_each(pipeline: Pipeline) -> None:
    tagger = Tagger.load(pipeline.release, dtype="float32")
    worker = InProcess(settings_of(pipeline, max_in_flight_bytes=32 * MEGABYTE), tagger)
    pipeline.stack.callback(worker.close)
    worker.wait_ready()
    places: list[tuple[int, int]] = []
    results, letters = 0, 0
    for seed in range(SEED, SEED + WAVES):
        records = wave(seed)
        places += produce(pipeline, records)
        results += sum(is_post(value) for _, value, _ in records)
        letters = len(places) - results
        found = [(result.source.partition, result.source.offset) for _, result in pipeline.results(results)]
        found += [(letter.partition, letter.offset) for _, letter in pipeline.dead_letters(letters)]
        # A failure tells the seed, and so the records.
        assert sorted(found) == sorted(places), seed
        # Read by others before the worker hears of it; then it holds nothing of them any more.
        wait_until(lambda: worker.worker._checkpoint.weight == 0, "nothing is held")
    assert worker.running


def test_a_header_s_name_of_any_bytes_costs_a_post_nothing(pipeline: Pipeline) -> None:
    worker = pipeline.worker()
    named: list[tuple[str, bytes]] = [(Name(name), b"\xff") for name in hostile_names()]
    good, bad = b'{"id": "good", "text": "Oslo"}', b"no post"
    pipeline.produce([(b"k", good, named), (b"k", bad, named), (b"k", good, [])])
    assert [result.id for _, result in pipeline.results(2)] == ["good", "good"]
    ((record, letter),) = pipeline.dead_letters(1)
    assert (record.key, record.value) == (b"k", bad)
    assert letter.reason is DeadLetterReason.NOT_JSON
    assert record.headers[: len(named)] == [
        (name.decode(errors="backslashreplace"), b"\xff") for name in hostile_names()
    ]
    assert worker.running
