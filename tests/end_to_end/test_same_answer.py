"""Same post, same answer: alone, among 31 others of mixed lengths, its picture fresh or cached."""

import asyncio
import json

import pytest
from aiohttp import web

from schemas import TaggedPost
from tests.end_to_end.posts import two_hundred_posts
from tests.pipeline import Pipeline
from workers.local.picture_host import PictureHost
from workers.local.samples import picture_bytes, picture_names


async def after_a_while(_: web.Request) -> web.Response:
    await asyncio.sleep(3)
    return web.Response(status=404)


@pytest.mark.parametrize("release", ["small", "tiny"])
def test_a_post_has_one_answer(pipeline: Pipeline, picture_host: PictureHost, release: str) -> None:
    if release == "small":
        pipeline.release = release
    urls = [picture_host.add(name, picture_bytes(name)) for name in picture_names()]
    # A wait that outlasts a slow machine: what a worker has read together is tagged together.
    # A batch that costs so much to begin with is never cut for the sake of padding.
    whole = ("--batch-posts", "32", "--batch-tokens", "10000000", "--batch-start-tokens", "1000000000")
    flags = ("--batch-wait-ms", "6000", *whole)
    worker = pipeline.worker(*flags)
    post: dict[str, object] = {
        "id": "the-post",
        "text": "Marie Curie's notebooks leave Paris for Warsaw, says the Louvre 🚀 #history",
        "image_urls": [urls[0], urls[3]],
    }
    others = two_hundred_posts(urls)[:174:6]
    others += [{"id": "long", "text": "Kyiv to Lviv by train. " * 60}, {"id": "short", "text": "Oslo"}]
    assert len(others) == 31

    def produce(batch: list[dict[str, object]]) -> None:
        pipeline.produce([(b"same", json.dumps(each).encode(), []) for each in batch])

    def answer(expected: int) -> TaggedPost:
        results = [result for _, result in pipeline.results(expected)]
        assert len(results) == expected
        return [result for result in results if result.id == "the-post"][-1]

    produce([post])
    alone = answer(1)
    produce([post])
    cached = answer(2)
    worker.stop()
    # It finds all there and reads them at once; for the late one the engine waits until the batch is full.
    late: dict[str, object] = {
        "id": "late",
        "text": "Lviv",
        "image_urls": [picture_host.add("late.jpg", after_a_while)],
    }
    produce([*others[:15], post, *others[15:], late])
    worker = pipeline.worker(*flags)
    among = answer(35)
    assert [picture_host.hits[picture_names()[index]] for index in (0, 3)] == [1, 1]
    assert 'rpbert_batch_posts_bucket{le="1.0"} 1.0' in worker.metrics()
    assert 'rpbert_batch_posts_bucket{le="16.0"} 1.0' in worker.metrics()
    assert 'rpbert_batch_posts_bucket{le="32.0"} 2.0' in worker.metrics()
    for other in (cached, among):
        assert [(e.type, e.start, e.end) for e in other.entities] == [
            (e.type, e.start, e.end) for e in alone.entities
        ]
        assert [e.score for e in other.entities] == pytest.approx([e.score for e in alone.entities], abs=1e-3)
        assert [image.relevance for image in other.images] == pytest.approx(
            [image.relevance for image in alone.images], abs=1e-3
        )
