"""The main job with the packaged release: every post comes out, and its offsets are right."""

import json

from schemas import ImageStatus
from tests.end_to_end.posts import two_hundred_posts
from tests.pipeline import Pipeline
from workers.local.picture_host import PictureHost
from workers.local.samples import picture_bytes, picture_names


def test_two_hundred_posts_come_out_tagged(pipeline: Pipeline, picture_host: PictureHost) -> None:
    urls = [picture_host.add(name, picture_bytes(name)) for name in picture_names()]
    posts = {str(post["id"]): post for post in two_hundred_posts(urls)}
    assert len(posts) == len({str(post["text"]) for post in posts.values()}) == 200
    pipeline.release = "small"
    pipeline.worker()
    pipeline.produce([(name.encode(), json.dumps(post).encode(), []) for name, post in posts.items()])

    results = pipeline.results(200)
    assert sorted(result.id for _, result in results) == sorted(posts)
    assert pipeline.dead_letters(0) == []
    for record, result in results:
        post = posts[result.id]
        text = str(post["text"])
        end = 0
        for entity in result.entities:
            assert text[entity.start : entity.end] == entity.text
            assert entity.start >= end
            end = entity.end
        given = post.get("image_urls") or ([post["image_url"]] if "image_url" in post else [])
        assert [image.url for image in result.images] == given
        assert all(image.status is ImageStatus.OK for image in result.images)
        assert (result.relevance is None) == (not given)
        assert record.key == result.id.encode()
        assert result.release.name == "small"
    found = {entity.text for _, result in results for entity in result.entities}
    assert {"Lisbon", "Nairobi", "New York", "NASA"} <= found
    pictures = sum(len(result.images) for _, result in results)
    assert sum(picture_host.hits.values()) < pictures
