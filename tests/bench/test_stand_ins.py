"""A worker whose model is a stand-in does all the rest, pictures included, in one process and in several."""

import json

import pytest

from bench.stand_ins import program
from schemas import ImageStatus
from tests.pipeline import Pipeline
from workers.local.picture_host import PictureHost
from workers.local.samples import picture_bytes


@pytest.mark.parametrize(("seconds", "flags"), [(None, ()), (0.001, ("--processes", "2"))])
def test_posts_come_out_with_their_pictures(
    pipeline: Pipeline, seconds: float | None, flags: tuple[str, ...]
) -> None:
    with PictureHost() as pictures:
        url = pictures.add("rocket.jpg", picture_bytes("rocket.jpg"))
        pipeline.worker(*flags, program=program(seconds))
        posts = [{"id": str(number), "text": "A rocket", "image_url": url} for number in range(40)]
        pipeline.produce([(post["id"].encode(), json.dumps(post).encode(), []) for post in posts])
        results = [result for _, result in pipeline.results(40)]
    assert {result.images[0].status for result in results} == {ImageStatus.OK}
    assert all(result.entities[0].text == "A" for result in results)
