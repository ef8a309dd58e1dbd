import json
from datetime import UTC, datetime
from time import time
from typing import Any

import pytest

from model.inference import Tagging
from schemas import (
    DeadLetter,
    DeadLetterReason,
    Entity,
    EntityType,
    ImageStatus,
    Post,
    Replay,
    Source,
    Stage,
    TaggedPost,
)
from tests.otlp import collecting
from tests.workers.tagger.served import Named, served
from workers.metrics import Metrics
from workers.settings import KafkaSettings, WorkerSettings
from workers.tagger.job import Job
from workers.tagger.outcome import Outcomes
from workers.tagger.pictures.picture import Picture
from workers.tagger.tracing import PostTraces
from workers.tagger.unworkable import Unworkable
from workers.topics import TopicLimits

RELEASE = served(Named("small", "7"))
FAILURE = Unworkable(DeadLetterReason.NOT_JSON, Stage.INTAKE, "No JSON.", field=None)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def outcomes(metrics: Metrics, output: int = 1_000_000, dead_letter: int = 1_000_000) -> Outcomes:
    return Outcomes(KafkaSettings(), TopicLimits(output, dead_letter), metrics)


def job(**fields: Any) -> Job:
    made = Job(
        Source(topic="posts.raw", partition=2, offset=40),
        key=b"\xff\x00key",
        value=b"\xffnot json",
        headers=[("traceparent", b"00-1"), ("nothing", None)],
        served=RELEASE,
    )
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def tagged(*relevance: float, pictures: tuple[Picture, ...] = ()) -> Job:
    entity = Entity(type=EntityType.LOC, text="Lisbon", start=3, end=9, score=0.9)
    return job(post=Post(id="7", text="In Lisbon"), tagging=Tagging((entity,), relevance), pictures=pictures)


def test_a_result_says_whose_it_is_and_who_made_it(metrics: Metrics) -> None:
    record = outcomes(metrics).record(tagged())
    result = TaggedPost.model_validate_json(record.value)
    assert (record.topic, record.key) == ("posts.entities", b"\xff\x00key")
    assert record.headers == [("rpbert.schema", b"tagged_post/1")]
    assert (result.id, result.release) == ("7", RELEASE.release)
    assert result.source == Source(topic="posts.raw", partition=2, offset=40)
    assert result.relevance is None
    assert result.images == ()


def test_scores_stand_at_the_pictures_that_took_part(metrics: Metrics) -> None:
    pictures = (
        Picture("a", ImageStatus.OK),
        Picture("b", ImageStatus.TIMEOUT),
        Picture("c", ImageStatus.OK),
    )
    result = TaggedPost.model_validate_json(
        outcomes(metrics).record(tagged(0.25, 0.75, pictures=pictures)).value
    )
    assert [(image.url, image.relevance) for image in result.images] == [
        ("a", 0.25),
        ("b", None),
        ("c", 0.75),
    ]
    assert result.relevance == 0.75


def test_a_dead_letter_keeps_bytes_key_and_headers(metrics: Metrics) -> None:
    record = outcomes(metrics).record(job(failure=FAILURE))
    assert (record.topic, record.key, record.value) == ("posts.dlq", b"\xff\x00key", b"\xffnot json")
    assert record.headers[:2] == [("traceparent", b"00-1"), ("nothing", b"")]
    letter = DeadLetter.from_headers(list(record.headers))
    assert (letter.reason, letter.stage, letter.message) == (FAILURE.reason, FAILURE.stage, "No JSON.")
    assert (letter.topic, letter.partition, letter.offset) == ("posts.raw", 2, 40)
    assert letter.release == "small/7"


def test_a_dead_letter_of_a_replayed_record_tells_of_the_replay_too(metrics: Metrics) -> None:
    replay = Replay(
        topic="posts.dlq", partition=1, offset=3, to="posts.raw", count=2, replayed_at=datetime.now(UTC)
    )
    failed = job(headers=replay.to_headers(), failure=FAILURE)
    record = outcomes(metrics).record(failed)
    assert Replay.from_headers(list(record.headers)) == replay
    assert DeadLetter.from_headers(list(record.headers)).offset == 40


def test_a_result_that_the_topic_does_not_take_becomes_a_dead_letter(metrics: Metrics) -> None:
    large = tagged()
    record = outcomes(metrics, output=600).record(large)
    letter = DeadLetter.from_headers(list(record.headers))
    assert record.topic == "posts.dlq"
    assert letter.reason is DeadLetterReason.RESULT_TOO_LARGE
    assert "max.message.bytes" in letter.message
    assert outcomes(metrics).record(large).topic == "posts.dlq"


def test_a_dead_letter_that_the_topic_does_not_take_goes_without_its_bytes(metrics: Metrics) -> None:
    large = job(value=b"x" * 5_000, failure=FAILURE)
    record = outcomes(metrics, dead_letter=2_000).record(large)
    assert record.value == b""
    assert record.size <= 2_000
    letter = DeadLetter.from_headers(list(record.headers))
    assert "read it at its source" in letter.message
    assert letter.omitted_bytes is not None
    assert letter.omitted_bytes > 5_000


def test_the_limit_is_never_passed(metrics: Metrics) -> None:
    for size in range(0, 3_000, 250):
        for large in (
            job(value=b"x" * size, failure=FAILURE),
            job(key=b"x" * size, failure=FAILURE),
            job(headers=[("h", b"x" * size)], failure=FAILURE),
        ):
            assert outcomes(metrics, dead_letter=2_000).record(large).size <= 2_000


def test_what_is_committed_is_counted(metrics: Metrics) -> None:
    counting = outcomes(metrics)
    counting.count(tagged(0.3, pictures=(Picture("a", ImageStatus.OK), Picture("b", ImageStatus.REFUSED))))
    counting.count(job(failure=FAILURE))
    read = metrics.registry.get_sample_value
    assert read("rpbert_posts_tagged_total") == 1
    assert read("rpbert_posts_dead_lettered_total", {"reason": "not_json"}) == 1
    assert read("rpbert_entities_total", {"type": "LOC"}) == 1
    assert read("rpbert_images_total", {"status": "refused"}) == 1
    assert read("rpbert_relation_score_sum") == pytest.approx(0.3)


def test_the_result_is_plain_json(metrics: Metrics) -> None:
    value = json.loads(outcomes(metrics).record(tagged()).value)
    assert value["entities"] == [{"type": "LOC", "text": "Lisbon", "start": 3, "end": 9, "score": 0.9}]
    assert value["processed_at"].endswith("Z")


def test_a_result_is_counted_by_what_it_was_tagged_by(metrics: Metrics) -> None:
    had, lost = (Picture("http://host/a.jpg", status) for status in (ImageStatus.OK, ImageStatus.TIMEOUT))
    of = outcomes(metrics)
    for each in (tagged(), tagged(pictures=(lost,)), tagged(0.7, pictures=(had, lost))):
        of.count(each)
    counted = {
        evidence: metrics.registry.get_sample_value("rpbert_posts_by_evidence_total", {"evidence": evidence})
        for evidence in ("text", "text_only", "text_and_picture")
    }
    assert counted == {"text": 1, "text_only": 1, "text_and_picture": 1}


def test_a_post_is_as_old_as_its_record(metrics: Metrics) -> None:
    of = outcomes(metrics)
    now = time()
    of.count(job(failure=FAILURE, written=now - 600))
    # A producer's clock that is ahead.
    of.count(job(failure=FAILURE, written=now + 600))
    below = {
        bound: metrics.registry.get_sample_value("rpbert_post_age_seconds_bucket", {"le": bound})
        for bound in ("0.1", "300.0", "900.0")
    }
    assert below == {"0.1": 1, "300.0": 1, "900.0": 2}


def test_a_result_carries_the_context_of_its_trace(metrics: Metrics) -> None:
    with collecting() as collector:
        traces = PostTraces(WorkerSettings(otlp_endpoint=collector.url))
        of = Outcomes(KafkaSettings(), TopicLimits(1_000_000, 1_000_000), metrics, traces)
        made = tagged()
        made.headers = [("traceparent", f"00-{'a' * 32}-{'b' * 16}-01".encode())]
        first, again = of.record(made), of.record(made)
        of.count(made)
        never_committed = tagged()
        of.record(never_committed)
        traces.close()
    assert first.headers == again.headers
    spans = collector.of("a" * 32)
    assert spans["process"].parent_span_id.hex() == "b" * 16
    send = spans["send"].span_id.hex()
    assert first.headers[1:] == [("traceparent", f"00-{'a' * 32}-{send}-01".encode())]
    assert {span.trace_id.hex() for span in collector.spans if span.name.startswith("process")} == {"a" * 32}
