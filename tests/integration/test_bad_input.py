"""Whatever stands in `posts.raw`, the worker goes on and nothing is lost."""

import json

from schemas import DeadLetterReason, Stage
from tests.pipeline import Pipeline, Record

BAD = [
    (b"k0", b"\xff\xfe not text", DeadLetterReason.NOT_JSON, None),
    (b"k1", b"{", DeadLetterReason.NOT_JSON, None),
    (None, b"null", DeadLetterReason.INVALID_POST, None),
    (b"\x00\xff", b'{"text": "no id"}', DeadLetterReason.INVALID_POST, "id"),
    (b"k4", b'{"id": "4"}', DeadLetterReason.INVALID_POST, "text"),
    (b"k5", b'{"id": 5, "text": "x"}', DeadLetterReason.INVALID_POST, "id"),
    (b"k6", b'{"id": "6", "text": "x", "image_urls": [1]}', DeadLetterReason.INVALID_POST, "image_urls"),
    (b"k7", None, DeadLetterReason.EMPTY, None),
]


def test_bad_records_go_to_the_dead_letters_with_all_they_had(pipeline: Pipeline) -> None:
    worker = pipeline.worker()
    good: list[Record] = [
        (None, json.dumps({"id": f"good-{n}", "text": "Oslo"}).encode(), []) for n in range(4)
    ]
    headers = [("traceparent", b"00-abc"), ("binary", b"\xff\x00")]
    places = pipeline.produce([*((key, value, headers) for key, value, _, _ in BAD), *good])

    letters = {
        (letter.partition, letter.offset): (record, letter)
        for record, letter in pipeline.dead_letters(len(BAD))
    }
    assert len(letters) == len(BAD)
    for (key, value, reason, field), place in zip(BAD, places, strict=False):
        record, letter = letters[place]
        assert (record.key, record.value) == (key, value or b"")
        assert list(record.headers)[:2] == headers
        assert (letter.reason, letter.field, letter.stage) == (reason, field, Stage.INTAKE)
        assert letter.topic == pipeline.topics[0]
        assert letter.release == "tiny/1"

    assert sorted(result.id for _, result in pipeline.results(4)) == [f"good-{n}" for n in range(4)]
    assert worker.running
    assert f'rpbert_posts_dead_lettered_total{{reason="not_json"}} {2.0}' in worker.metrics()


def test_an_empty_text_comes_out_without_entities(pipeline: Pipeline) -> None:
    pipeline.worker()
    texts = ["", " ", "\u200b", "\n\t", "\ufe0f"]
    pipeline.produce(
        [(None, json.dumps({"id": str(n), "text": text}).encode(), []) for n, text in enumerate(texts)]
    )
    results = {result.id: result for _, result in pipeline.results(len(texts))}
    assert results["0"].entities == ()
    assert results["1"].entities == ()
    for number, text in enumerate(texts):
        for entity in results[str(number)].entities:
            assert text[entity.start : entity.end] == entity.text


def test_a_very_long_post_is_tagged_whole(pipeline: Pipeline) -> None:
    pipeline.worker()
    text = " ".join(f"Word{n}" for n in range(6_000))
    pipeline.produce([(None, json.dumps({"id": "long", "text": text}).encode(), [])])
    (_, result), *doubled = pipeline.results(1)
    assert not doubled
    assert all(text[entity.start : entity.end] == entity.text for entity in result.entities)
    assert max(entity.end for entity in result.entities) > len(text) // 2
