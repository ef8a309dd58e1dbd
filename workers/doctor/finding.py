"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How it stands with one thing."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Check(StrEnum):
    """What is looked at, in the order of a post's way."""

    BROKERS = "brokers"
    TOPICS = "topics"
    REPLICATION = "replication"
    RETENTION = "retention"
    SIZES = "sizes"
    RIGHTS = "rights"
    TRANSACTIONS = "transactions"
    GROUP = "group"
    CACHE = "cache"
    CLOCK = "clock"
    RELEASE = "release"
    DEVICE = "device"
    PICTURES = "pictures"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's.

    Attributes:
        check: what was looked at.
        verdict: how it stands.
        says: what was seen, with names and values.
        do: what mends it; empty where nothing need be done.
    """

    check: Check
    verdict: Verdict
    says: str
    do: str = ""


def ok(check: Check, says: str) -> Finding:
    """All is well."""
    return Finding(check, Verdict.OK, says)


def warn(check: Check, says: str, do: str) -> Finding:
    """A worker works, but something is lost or slow sooner or later."""
    return Finding(check, Verdict.WARN, says, do)


def fail(check: Check, says: str, do: str) -> Finding:
    """A worker can't work so, or not as it was asked to."""
    return Finding(check, Verdict.FAIL, says, do)
