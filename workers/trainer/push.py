"""The metrics of a run, to a Pushgateway."""

from __future__ import annotations

from http.client import HTTPException
from statistics import fmean
from time import time
from typing import Final

import structlog
from prometheus_client import push_to_gateway

from workers.metrics import TrainerMetrics
from workers.trainer.record import Outcome, Record

_JOB: Final = "rpbert-trainer"
_SECONDS: Final = 10.0
_FAILED: Final = "failed"

_log = structlog.stdlib.get_logger(__name__)


def push(gateway: str, record: Record | None, seconds: float) -> None:
    """Replace the metrics of the run before by those of this one; a gateway that is away is only logged.

    Args:
        gateway: its URL.
        record: of a run that came to its end; None if it failed.
        seconds: that it took.
    """
    try:
        push_to_gateway(gateway, job=_JOB, registry=metrics_of(record, seconds).registry, timeout=_SECONDS)
    except (OSError, ValueError, HTTPException) as error:
        _log.warning(
            "the Pushgateway did not take the metrics; check --pushgateway",
            pushgateway=gateway,
            error=type(error).__name__,
        )


def metrics_of(record: Record | None, seconds: float) -> TrainerMetrics:
    """What is pushed."""
    metrics = TrainerMetrics()
    metrics.ended.set(time())
    metrics.duration.set(seconds)
    ended = _FAILED if record is None else record.outcome
    for outcome in (*Outcome, _FAILED):
        metrics.outcome.labels(outcome).set(outcome == ended)
    if record is None:
        return metrics
    for name in ("train", "choosing", "held_out"):
        metrics.annotations.labels(name).set(getattr(record.lineage, name))
    if (judgement := record.judgement) is not None:
        metrics.failed_checks.set(len(judgement.reasons))
        for release, figures in (("incumbent", judgement.incumbent), ("candidate", judgement.candidate)):
            metrics.batch_seconds.labels(release).set(figures.seconds)
            dev = fmean(scores.conlleval.micro.f1 for scores in figures.dev.values())
            metrics.f1.labels(release, "dev").set(dev)
            if figures.held_out is not None:
                metrics.f1.labels(release, "held_out").set(figures.held_out.conlleval.micro.f1)
    return metrics
