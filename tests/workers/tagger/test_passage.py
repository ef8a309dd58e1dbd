"""From a record to the engine, in a whole worker: who waits for whom, and who takes over what failed."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from model.inference import Tagger, Tagging, TagRequest
from schemas import ImageStatus
from tests.pipeline import Pipeline
from tests.workers.tagger.in_process import Slow, Start, posts, wait_until
from workers.settings import BatchSettings

FOR_EVER: Final = BatchSettings().model_copy(update={"batch_wait_ms": 1e9})


def test_a_lone_post_waits_for_nobody(pipeline: Pipeline, start: Start) -> None:
    start(batch=FOR_EVER).wait_ready()
    refused = {"id": "0", "text": "Alone in Oslo", "image_url": "http://127.0.0.1/a.jpg"}
    pipeline.produce([(b"key", json.dumps(refused).encode(), [])])
    ((_, result),) = pipeline.results(1)
    assert result.images[0].status is ImageStatus.REFUSED
    # One that never had a picture comes to the engine another way.
    pipeline.produce(posts(1, first=1))
    assert len(pipeline.results(2)) == 2


def test_a_post_waits_for_no_record_that_can_not_be_opened(pipeline: Pipeline, start: Start) -> None:
    # All of one poll: the engine has the post while the records behind it are still to be opened.
    pipeline.produce([*posts(1), *((b"key", b"no post", []) for _ in range(5))])
    start(batch=FOR_EVER)
    assert len(pipeline.results(1)) == 1
    assert len(pipeline.dead_letters(5)) == 5


class Candidate(Slow):
    """A release under another name whose device is lost."""

    version = "2"

    def tag(self, requests: Sequence[TagRequest]) -> list[Tagging]:
        raise RuntimeError("CUDA error: unspecified launch failure")


def test_what_a_candidate_fails_on_is_done_by_the_served_release(
    pipeline: Pipeline, tagger: Tagger, start: Start, tmp_path: Path
) -> None:
    # The store shows nothing: the candidate comes from here.
    model = {"release": f"{tmp_path}/store#stable"}
    worker = start(candidate={"canary_share": 1.0}, model=model).wait_ready()
    candidate: Any = Candidate(tagger)
    worker.serving.try_out(candidate, "salt")
    assert worker.serving.candidate is not None
    pipeline.produce(posts(20))
    results = pipeline.results(20)
    assert sorted(int(result.id) for _, result in results) == list(range(20))
    assert {result.release.version for _, result in results} == {tagger.version}
    assert [record.offset for record, _ in results] == sorted(record.offset for record, _ in results)
    assert pipeline.dead_letters(0) == []
    wait_until(lambda: worker.serving.candidate is None, "the trial ends")
    assert worker.sample("rpbert_trials_ended_total", reason="failures") == 1
    assert worker.running
