"""One trace leads from the producer's context through the worker to the header of the result."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tests.otlp import collecting
from tests.pipeline import Pipeline, Record
from workers.local.picture_host import PictureHost
from workers.local.samples import picture_bytes, picture_names

TRACE, PRODUCER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE}-{PRODUCER}-01"


def post(name: str, context: str | None, *urls: str) -> Record:
    value = json.dumps({"id": name, "text": "Over Lisbon", "image_urls": urls}).encode()
    return name.encode(), value, [] if context is None else [("traceparent", context.encode())]


def context_of(record: Any) -> str:
    carried: bytes = dict(record.headers).get("traceparent", b"")
    return carried.decode()


def test_a_trace_goes_from_the_producer_to_the_result(pipeline: Pipeline, picture_host: PictureHost) -> None:
    name = picture_names()[0]
    picture = picture_host.add(name, picture_bytes(name))
    with collecting() as collector:
        worker = pipeline.worker("--otlp-endpoint", collector.url)
        places = pipeline.produce(
            [
                post("traced", SAMPLED, picture),
                post("not sampled", f"00-{'a' * 32}-{PRODUCER}-00"),
                post("no context", None),
                post("nonsense", "00-\xff-nonsense"),
                (b"dead", b"{", [("traceparent", f"00-{'d' * 32}-{PRODUCER}-01".encode())]),
            ]
        )
        found = {result.id: context_of(record) for record, result in pipeline.results(4)}
        ((letter, _),) = pipeline.dead_letters(1)
        # It exports what is left before it ends.
        worker.stop()

    spans = collector.of(TRACE)
    assert set(spans) == {"process", "pictures", "tag", "send"}
    process = spans["process"]
    assert process.parent_span_id.hex() == PRODUCER
    assert {spans[each].parent_span_id for each in ("pictures", "tag", "send")} == {process.span_id}
    assert found["traced"] == f"00-{TRACE}-{spans['send'].span_id.hex()}-01"
    said = {each.key: each.value for each in process.attributes}
    assert said["messaging.kafka.offset"].int_value == places[0][1]
    assert process.start_time_unix_nano == spans["pictures"].start_time_unix_nano
    assert (
        spans["pictures"].end_time_unix_nano <= spans["tag"].end_time_unix_nano <= process.end_time_unix_nano
    )

    assert found["not sampled"].startswith(f"00-{'a' * 32}-")
    assert found["not sampled"].endswith("-00")
    assert collector.of("a" * 32) == {}
    # Each begins a trace of its own.
    traces = {found[each].split("-")[1] for each in ("no context", "nonsense")}
    assert len(traces) == 2
    assert all(collector.of(trace)["process"].parent_span_id == b"" for trace in traces)

    assert collector.of("d" * 32)["process"].status.code == Status.STATUS_CODE_ERROR
    assert context_of(letter) == f"00-{'d' * 32}-{PRODUCER}-01"


@pytest.mark.parametrize("endpoint", [(), ("--otlp-endpoint", "http://127.0.0.1:1")])
def test_results_come_with_no_collector_and_with_one_that_is_away(
    pipeline: Pipeline, endpoint: tuple[str, ...]
) -> None:
    worker = pipeline.worker(*endpoint)
    pipeline.produce([post("a", SAMPLED)])
    ((record, _),) = pipeline.results(1)
    assert (TRACE in context_of(record)) == bool(endpoint)
    worker.stop()
    assert worker.exit_status == 0
