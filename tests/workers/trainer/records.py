"""Records of runs that never took place."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.workers.trainer.test_rule import figures
from workers.settings import RuleSettings
from workers.trainer.record import Judgement, Lineage, Named, Outcome, Record
from workers.trainer.rule import check


def judgement(**changed: Any) -> Judgement:
    """Of a candidate whose figures are those in service but for what is said."""
    before, candidate = figures(), figures(**changed)
    checks = check(before, candidate, RuleSettings())
    return Judgement(incumbent=before, candidate=candidate, checks=tuple(checks))


def record(**changed: Any) -> Record:
    fields: dict[str, Any] = {
        "run": "20260131T120000Z-0badcafe",
        "begun_at": datetime(2026, 1, 31, 12, tzinfo=UTC),
        "asked": {},
        "incumbent": Named(name="tiny", version="1.0.0", manifest_sha256="0" * 64),
        "version": "1.1.0",
        "lineage": Lineage(
            topic="posts.annotations",
            until_offsets="0:300",
            records=300,
            unreadable=0,
            posts=300,
            unusable=0,
            known=0,
            train=210,
            choosing=30,
            held_out=60,
            sha256="1" * 64,
        ),
        "judgement": judgement(),
        "outcome": Outcome.PUBLISHED,
    }
    return Record(**fields | changed)
