"""Which trace a post goes on with, by the headers that its producer wrote."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from schemas import Source
from tests.workers.tagger.served import Named, served
from workers.settings import WorkerSettings
from workers.tagger.job import Headers, Job
from workers.tagger.tracing import PostTraces

TRACE, PRODUCER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CONTEXT = f"00-{TRACE}-{PRODUCER}-01".encode()


@pytest.fixture
def traces() -> Iterator[PostTraces]:
    """Nothing is ended, so nothing is exported."""
    made = PostTraces(WorkerSettings(otlp_endpoint="http://127.0.0.1:1"))
    yield made
    made.close()


def carried(traces: PostTraces, headers: Headers) -> dict[str, str]:
    source = Source(topic="posts.raw", partition=0, offset=0)
    job = Job(source, key=None, value=b"", headers=headers, served=served(Named()))
    return {name: value.decode() for name, value in traces.begin(job, "posts.entities")}


def test_the_producers_trace_and_its_state_go_on(traces: PostTraces) -> None:
    found = carried(traces, [("other", b"x"), ("traceparent", CONTEXT), ("tracestate", b"vendor=1")])
    assert found["traceparent"].startswith(f"00-{TRACE}-")
    assert found["traceparent"].endswith("-01")
    assert PRODUCER not in found["traceparent"]
    assert found["tracestate"] == "vendor=1"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("traceparent", None)],
        [("traceparent", b"")],
        [("traceparent", CONTEXT[:-3])],
        [("traceparent", b"ff" + CONTEXT[2:])],
        [("traceparent", b"00-" + b"0" * 32 + CONTEXT[35:])],
        [("traceparent", "00-é".encode())],
    ],
    ids=["none", "null", "empty", "short", "version", "zeros", "not-ascii"],
)
def test_what_is_no_context_begins_a_trace_of_its_own(traces: PostTraces, headers: Headers) -> None:
    found = carried(traces, headers)
    assert TRACE not in found["traceparent"]
    assert len(found["traceparent"]) == len(CONTEXT)
