"""Workers killed at a point that chance would seldom hit; and builds that the checker must find wrong."""

import os
import signal
from pathlib import Path
from time import sleep
from typing import Final

import pytest

from tests.faults.build import built
from tests.faults.checked import POD, checked, produce, until
from tests.faults.run import Plan, run
from tests.faults.schedule import Action, Counts
from tests.faults.variants import KILLED, Variant, program
from tests.group import committed
from tests.pipeline import Pipeline
from workers.local.kafka import KafkaCluster

NOTHING: Final = Counts(worker_kills=0, broker_kills=0, broker_stops=0, redis_kills=0, joins=0, visits=0)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("variant", KILLED)
def test_a_worker_killed_at_this_point_loses_and_doubles_nothing(
    pipeline: Pipeline, variant: Variant
) -> None:
    posts = 600
    ledger = produce(pipeline, posts)
    dying = pipeline.worker(*POD, "--max-in-flight", "64", program=program(variant), ready=False)
    with checked(pipeline) as checker:
        until(lambda: not dying.running)
        heir = pipeline.worker(*POD)
        until(lambda: checker.distinct == posts, heir)
        heir.stop()
    dying.stop()
    assert dying.exit_status == -signal.SIGKILL
    assert checker.findings(ledger) == []


@pytest.mark.timeout(900)
def test_a_worker_whose_clock_is_hours_ahead_commits_nothing_and_loses_nothing(pipeline: Pipeline) -> None:
    ledger = produce(pipeline, 50)
    fast = pipeline.worker(*POD, "--drain-timeout", "2", program=program(Variant.CLOCK_AHEAD))
    with checked(pipeline) as checker:
        until(lambda: 'rpbert_commits_total{outcome="failed"}' in fast.metrics(), fast)
        assert fast.running
        fast.stop()
        assert checker.distinct == 0
        right = pipeline.worker(*POD)
        until(lambda: checker.distinct == len(ledger), right)
        right.stop()
    assert checker.findings(ledger) == []


@pytest.mark.timeout(900)
def test_a_build_that_commits_first_is_found_out(pipeline: Pipeline) -> None:
    ledger = produce(pipeline, 20_000)
    with checked(pipeline) as checker:
        dying = pipeline.worker(*POD, program=program(Variant.COMMITS_FIRST))

        def stands_with_posts_unwritten() -> bool:
            os.kill(dying.pid, signal.SIGSTOP)
            # What it had asked for before it stood still has come by then.
            sleep(1)
            ahead = done(pipeline) > checker.distinct > 0
            if not ahead:
                os.kill(dying.pid, signal.SIGCONT)
            return ahead

        until(stands_with_posts_unwritten)
        dying.kill()
        last = pipeline.worker(*POD, program=program(Variant.COMMITS_FIRST))
        until(lambda: done(pipeline) == len(ledger))
        # It says that every post is done, and ends in order: what is missing now will never come.
        last.stop()
    assert last.exit_status == 0
    told = checker.findings(ledger)
    assert told[0].endswith(" lost:")
    assert "has no outcome" in told[1]


@pytest.mark.timeout(900)
def test_a_build_that_loses_what_a_poll_brings_beside_a_revocation_is_found_out(
    kafka: KafkaCluster, tiny_release: Path, tmp_path: Path
) -> None:
    plan = Plan(posts=200, pods=1, counts=NOTHING.model_copy(update={"visits": 2}))
    wrong = program(Variant.LOSES_BESIDE_A_REVOCATION)
    with built(kafka, tiny_release, tmp_path, pods=plan.pods, program=wrong) as (stage, workload):
        finding = run(plan, stage, workload, print)
    assert finding.done[Action.VISIT] == 2
    assert any(line.endswith(" lost:") for line in finding.wrong)


def done(pipeline: Pipeline) -> int:
    """How many posts the group takes for done."""
    return sum(committed(pipeline.bootstrap_servers, pipeline.topics[0]).values())
