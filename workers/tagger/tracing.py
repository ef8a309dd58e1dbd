"""Traces of posts, for OpenTelemetry: from the producer's context to the header of the result.

The context travels as W3C Trace Context in the records' headers (`traceparent`, `tracestate`). Spans are
those of the semantic conventions for messaging: `process` from arrival to commit, `send` from the making of
the result to its commit, and what the post waited for between. They are made when a post is done, from the
times that it carries anyhow, so no stage is slower for them.
"""

from __future__ import annotations

import os
from time import monotonic_ns, time_ns
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from workers.settings import WorkerSettings
from workers.tagger.job import Headers, Job

# A collector that is away may not hold up the end of a worker.
_EXPORT_SECONDS: Final = 3.0
_PROPAGATOR: Final = TraceContextTextMapPropagator()
_CARRIED: Final = ("traceparent", "tracestate")


class PostTraces:
    """Spans of posts; of one thread, the one that commits. What is not committed leaves no span."""

    def __init__(self, settings: WorkerSettings) -> None:
        """Export to `otlp_endpoint`, or where the standard `OTEL_*` variables say; those choose the rest."""
        endpoint = settings.otlp_endpoint
        exporter = OTLPSpanExporter(
            endpoint=None if endpoint is None else f"{endpoint.rstrip('/')}/v1/traces",
            timeout=_EXPORT_SECONDS,
        )
        name = os.environ.get("OTEL_SERVICE_NAME", "rpbert-worker")
        self._provider: Final = TracerProvider(
            resource=Resource.create({"service.name": name}), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer: Final = self._provider.get_tracer("rpbert-stream")
        self._group: Final = settings.group_id

    def begin(self, job: Job, topic: str) -> list[tuple[str, bytes]]:
        """The headers that carry a finished job's context to `topic`; the same however often it is tried."""
        spans = job.spans = job.spans or self._spans(job, topic)
        carried: dict[str, str] = {}
        _PROPAGATOR.inject(carried, set_span_in_context(spans[-1]))
        return [(name, value.encode()) for name, value in carried.items()]

    def end(self, job: Job) -> None:
        """A job is committed."""
        for span in reversed(job.spans):
            span.end()

    def close(self) -> None:
        """Export what is ended and stop, within seconds."""
        self._provider.shutdown()

    def _spans(self, job: Job, topic: str) -> tuple[Span, Span]:
        # Read once: between two looks at two clocks they drift, and a span would begin before its parent.
        ahead = time_ns() - monotonic_ns()
        process = self._tracer.start_span(
            f"process {job.source.topic}",
            context=_context(job.headers),
            kind=SpanKind.CONSUMER,
            start_time=ahead + _nanoseconds(job.arrived),
            attributes={
                "messaging.system": "kafka",
                "messaging.operation.type": "process",
                "messaging.destination.name": job.source.topic,
                "messaging.destination.partition.id": str(job.source.partition),
                "messaging.consumer.group.name": self._group,
                "messaging.kafka.offset": job.source.offset,
                "rpbert.release": job.served.name,
            },
        )
        within = set_span_in_context(process)
        if job.failure is not None:
            process.set_attribute("rpbert.dead_letter.reason", job.failure.reason.value)
            process.set_status(StatusCode.ERROR, job.failure.reason.value)
        if job.pictures:
            self._stage("pictures", within, ahead, job.arrived, job.enqueued)
        if job.tagging is not None:
            self._stage("tag", within, ahead, job.enqueued, job.tagged)
            process.set_attribute("rpbert.entities", len(job.tagging.entities))
        send = self._tracer.start_span(
            f"send {topic}",
            context=within,
            kind=SpanKind.PRODUCER,
            attributes={
                "messaging.system": "kafka",
                "messaging.operation.type": "send",
                "messaging.destination.name": topic,
            },
        )
        return process, send

    def _stage(self, name: str, within: Context, ahead: int, began: float, ended: float) -> None:
        span = self._tracer.start_span(name, context=within, start_time=ahead + _nanoseconds(began))
        span.end(ahead + _nanoseconds(ended))


def _context(headers: Headers) -> Context:
    # Strangers write headers: what is no traceparent begins a trace of its own (W3C Trace Context, 3.2).
    carried = {name: (value or b"").decode("ascii", "replace") for name, value in headers if name in _CARRIED}
    return _PROPAGATOR.extract(carried, Context())


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
