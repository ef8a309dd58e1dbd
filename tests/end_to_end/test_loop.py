"""The whole loop: workers under load, corrections, the trainer's run, the new release in service."""

import json
import random

import pytest

from schemas import TaggedPost
from tests.command_line import Rpbert
from tests.integration.following import AUTHORS, steady_stream
from tests.pipeline import Pipeline, told
from tests.refresh import Spans, Stage, annotated, new_post
from tests.workers.tagger.in_process import wait_until
from workers.local.worker_process import WorkerProcess

_SHOWN = 30


def tagged_right(result: TaggedPost, spans: Spans) -> bool:
    return {(entity.text, entity.type) for entity in result.entities} == set(spans)


@pytest.mark.timeout(600)
def test_what_people_correct_comes_out_right_of_running_workers_and_no_post_is_lost_or_doubled(
    pipeline: Pipeline,
    stage: Stage,
    rpbert: Rpbert,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    pipeline.release = f"{stage.store.url}#stable"
    flags = ("--release-topic", stage.kafka.release_topic, "--release-poll-seconds", "3600")
    workers = [pipeline.worker(*flags, ready=False) for _ in range(2)]
    for worker in workers:
        worker.wait_ready()
    posts = [new_post(random.Random(seed)) for seed in range(300)]
    asked = posts[:_SHOWN]

    def ask(when: str) -> None:
        """Have the corrected posts tagged once more."""
        pipeline.produce(
            [
                (
                    f"author {number % AUTHORS}".encode(),
                    json.dumps({"id": f"{when} {number}", "text": text}).encode(),
                    [],
                )
                for number, (text, _) in enumerate(asked)
            ]
        )

    def serves(worker: WorkerProcess, version: str) -> bool:
        return told(worker, "release_info", version=version) == 1

    with steady_stream(pipeline) as written:
        ask("before")
        stage.annotate(annotated(posts))
        run = rpbert(*stage.words())
        assert run.status == 0, run.errors
        wait_until(lambda: all(serves(worker, "1.1.0") for worker in workers), "both serve the new release")
        ask("after")
    everything = written() + 2 * _SHOWN
    found = pipeline.results(everything)
    results = {result.id: result for _, result in found}

    assert len(found) == len(results) == everything
    before = [results[f"before {number}"] for number in range(_SHOWN)]
    after = [results[f"after {number}"] for number in range(_SHOWN)]
    assert {result.release.version for result in before} == {"1.0.0"}
    assert {result.release.version for result in after} == {"1.1.0"}
    assert not any(tagged_right(result, spans) for result, (_, spans) in zip(before, asked, strict=True))
    right = [tagged_right(result, spans) for result, (_, spans) in zip(after, asked, strict=True)]
    assert sum(right) >= 0.95 * _SHOWN
