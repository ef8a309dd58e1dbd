"""One flight per picture across worker processes: both have posts with it, each its own partitions."""

import asyncio
import json
import os
import threading
from io import BytesIO

import pytest
from aiohttp import web
from PIL import Image

from schemas import ImageStatus, TaggedPost
from tests.pipeline import Pipeline, told
from tests.workers.tagger.in_process import wait_until
from workers.local.picture_host import PictureHost
from workers.local.worker_process import WorkerProcess

POSTS = 16
PATIENT = ("--fetch-timeout", "60", "--fetch-read-timeout", "60", "--flight-wait", "60")
SOON_MISSED = ("--session-timeout-ms", "10000", "--drain-timeout", "5", "--transaction-timeout-ms", "5000")


def two_workers(pipeline: Pipeline, *flags: str) -> list[WorkerProcess]:
    """Two that have joined, half of the partitions each."""
    workers = [pipeline.worker(*PATIENT, *flags) for _ in range(2)]
    wait_until(
        lambda: [told(worker, "assigned_partitions") for worker in workers] == [2, 2],
        "half of the partitions",
    )
    return workers


def post_everywhere(pipeline: Pipeline, url: str) -> None:
    """Posts with this picture in every partition, so for both workers."""
    places = pipeline.produce(
        [
            (
                str(number).encode(),
                json.dumps({"id": str(number), "text": "Lisbon", "image_url": url}).encode(),
                [],
            )
            for number in range(POSTS)
        ]
    )
    assert {partition for partition, _ in places} == set(range(pipeline.partitions))


@pytest.fixture
def new_picture() -> bytes:
    """A picture that no test before has left in Redis."""
    written = BytesIO()
    Image.frombytes("RGB", (32, 32), os.urandom(32 * 32 * 3)).save(written, "PNG")
    return written.getvalue()


def waits_for_another(worker: WorkerProcess) -> bool:
    return told(worker, "image_flights_joined_total", where="in another worker") > 0


def assert_all_have_the_picture(pipeline: Pipeline) -> list[TaggedPost]:
    results = [result for _, result in pipeline.results(POSTS)]
    assert sorted(int(result.id) for result in results) == list(range(POSTS))
    assert {result.images[0].status for result in results} == {ImageStatus.OK}
    assert all(result.relevance is not None for result in results)
    return results


@pytest.mark.timeout(400)
def test_two_workers_race_for_a_picture_and_one_fetches_and_describes_it(
    pipeline: Pipeline, picture_host: PictureHost, new_picture: bytes
) -> None:
    both_want_it = threading.Event()

    async def handler(_: web.Request) -> web.StreamResponse:
        await asyncio.to_thread(both_want_it.wait, 60)
        return web.Response(body=new_picture)

    workers = two_workers(pipeline)
    url = picture_host.add("a.jpg", handler)
    post_everywhere(pipeline, url)
    wait_until(lambda: any(map(waits_for_another, workers)), "one has the picture under way, the other waits")
    both_want_it.set()
    assert_all_have_the_picture(pipeline)
    wait_until(
        lambda: sum(told(worker, "posts_tagged_total") for worker in workers) == POSTS, "all are counted"
    )
    assert all(told(worker, "posts_tagged_total") > 0 for worker in workers)
    assert picture_host.hits == {"a.jpg": 1}
    for stage in ("decode", "describe"):
        times = [told(worker, "stage_duration_seconds_count", stage=stage) for worker in workers]
        assert sorted(times) == [0, 1], stage


@pytest.mark.timeout(400)
def test_a_worker_killed_while_it_fetches_a_picture_does_not_block_the_other(
    pipeline: Pipeline, picture_host: PictureHost, new_picture: bytes
) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        if picture_host.hits["a.jpg"] == 1:
            await asyncio.Event().wait()
        return web.Response(body=new_picture)

    workers = two_workers(pipeline, *SOON_MISSED)
    url = picture_host.add("a.jpg", handler)
    post_everywhere(pipeline, url)
    wait_until(lambda: any(map(waits_for_another, workers)), "one has the picture under way, the other waits")
    (left,) = filter(waits_for_another, workers)
    (holder,) = (worker for worker in workers if worker is not left)
    assert picture_host.hits == {"a.jpg": 1}
    holder.kill()
    assert_all_have_the_picture(pipeline)
    assert left.running
    assert picture_host.hits == {"a.jpg": 2}
