"""Pictures on the page and what entities attend to in them, by the packaged release; the docs' pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from model.inference import Tagger, TagRequest
from model.pictures import decode
from schemas import ImageRelation, ImageStatus, Post, TaggedPost
from tests.workers.viewer.client import ask, events, posts
from tests.workers.viewer.stand import Stand, tagged
from workers.local.picture_host import PictureHost
from workers.local.samples import picture_bytes, picture_names, sample_posts
from workers.settings import PictureSettings, ViewerSettings
from workers.viewer.server import ViewerServer

# The docs' pictures are taken anew by RPBERT_TEST_SCREENSHOTS=docs.
SCREENSHOTS = os.environ.get("RPBERT_TEST_SCREENSHOTS")
# The last two are of the same picture: it belongs to one of them.
SAMPLES = ("sample-09", "sample-05", "sample-01", "sample-10", "sample-06")
COLOURS = 255


@pytest.fixture(scope="module")
def pictures() -> Iterator[PictureHost]:
    with PictureHost() as host:
        for name in picture_names():
            host.add(name, picture_bytes(name))
        yield host


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    return Tagger.load("small", device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def viewer(stand: Stand, tagger: Tagger, pictures: PictureHost) -> Iterator[ViewerServer]:
    """One with pictures and attention, over samples as a worker tags them."""
    samples = {post.id: post for post in sample_posts(pictures.url_of)}
    stand.publish(*(by_the_release(samples[name], tagger) for name in SAMPLES))
    settings = ViewerSettings.model_validate(
        {
            "kafka": stand.kafka,
            "viewer_port": 0,
            "attention": True,
            "allow_posts": True,
            "allow_corrections": True,
            "pictures": PictureSettings.model_validate(
                {"redis_url": None, "allow_network": ["127.0.0.0/8"], "decode_processes": 1}
            ),
            "model": {"device": "cpu", "dtype": "float32"},
        }
    )
    with ViewerServer(settings) as server:
        yield server


def by_the_release(post: Post, tagger: Tagger) -> tuple[Post, TaggedPost]:
    """What a worker makes of it."""
    pixels = [decode(picture_bytes(url.rpartition("/")[2])) for url in post.pictures]
    regions = tuple(tagger.describe(np.stack(pixels))) if pixels else ()
    (tagging,) = tagger.tag([TagRequest(tagger.prepare(post.text), regions)])
    images = tuple(
        ImageRelation(url=url, status=ImageStatus.OK, relevance=relevance)
        for url, relevance in zip(post.pictures, tagging.relevance, strict=True)
    )
    _, result = tagged(post.text, name=post.id, release=f"{tagger.name} {tagger.version}")
    return post, result.model_copy(
        update={
            "entities": tagging.entities,
            "images": images,
            "relevance": max(tagging.relevance, default=None),
        }
    )


@pytest.fixture(scope="module")
def places(viewer: ViewerServer) -> dict[str, str]:
    """Where each sample's result stands."""
    with events(viewer.url) as stream:
        begun = next(event for event in posts(stream) if len(event.data["posts"]) == len(SAMPLES))
    return {post["id"]: post["place"] for post in begun.data["posts"]}


def test_pointing_at_an_entity_shows_where_it_looks(page: Page, viewer: ViewerServer, tmp_path: Path) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(viewer.url)
    expect(page.locator("article.post")).not_to_have_count(0)
    for image in page.locator(".frame img").all():
        image.scroll_into_view_if_needed()
        expect(image).to_have_js_property("naturalWidth", 224)
    page.evaluate("scrollTo(0, 0)")
    folder = tmp_path if SCREENSHOTS is None else Path(SCREENSHOTS)
    take(page, folder / "viewer.png")
    post = page.locator("article.post", has_text="Mongolia")
    entity = post.locator("button.entity").first
    entity.hover()
    expect(post.locator(".heat i")).to_have_count(49)
    expect(post.locator(".note")).to_contain_text("what “Mongolia” attends to is in this picture")
    page.mouse.move(0, 0)
    expect(post.locator(".heat")).to_have_count(0)
    page.keyboard.press("d")
    page.keyboard.press("?")
    entity.click()
    expect(post.locator(".heat i")).to_have_count(49)
    post.get_by_role("button", name="Correct").click()
    take(page, folder / "viewer-dark.png")


def test_a_picture_is_drawn_anew_as_the_model_sees_it(viewer: ViewerServer, places: dict[str, str]) -> None:
    answer = ask(f"{viewer.url}/api/posts/{places['sample-05']}/pictures/0")
    assert answer.headers["Content-Type"] == "image/jpeg"
    with Image.open(BytesIO(answer.body)) as picture:
        assert picture.size == (224, 224)
        seen = np.asarray(picture, np.float32)
    sent = picture_bytes("hubble.jpg")
    assert answer.body != sent
    assert np.abs(seen - decode(sent)).mean() < 8


def test_a_picture_that_the_post_does_not_have_is_not_fetched(
    viewer: ViewerServer, places: dict[str, str], pictures: PictureHost
) -> None:
    before = pictures.hits.total()
    for place, index in ((places["sample-05"], 1), (places["sample-09"], 0), ("0-99999", 0)):
        assert ask(f"{viewer.url}/api/posts/{place}/pictures/{index}").status == 404
    assert pictures.hits.total() == before


def test_the_guard_holds_for_the_page_too(stand: Stand, pictures: PictureHost) -> None:
    stand.publish(tagged("inside", images=[(pictures.url_of("coffee.jpg"), 0.9)], name="inside"))
    before = pictures.hits["coffee.jpg"]
    with ViewerServer(ViewerSettings(kafka=stand.kafka, viewer_port=0)) as strict:
        with events(strict.url) as stream:
            event = next(each for each in posts(stream) if each.data["posts"])
        place = next(post["place"] for post in event.data["posts"] if post["id"] == "inside")
        answer = ask(f"{strict.url}/api/posts/{place}/pictures/0")
        assert answer.status == 404
        assert "refused" in answer.content["error"]
    assert pictures.hits["coffee.jpg"] == before


def test_attention_is_that_of_the_entities_that_are_shown(
    viewer: ViewerServer, places: dict[str, str], tagger: Tagger
) -> None:
    content = ask(f"{viewer.url}/api/posts/{places['sample-01']}/attention").content
    shown = ask(f"{viewer.url}/api/posts/{places['sample-01']}").content
    assert [(each["start"], each["end"]) for each in content["entities"]] == [
        (each["start"], each["end"]) for each in shown["entities"]
    ]
    for entity in content["entities"]:
        (maps,) = entity["attention"]
        before = np.asarray(maps["before"])
        assert before.shape == (7, 7)
        assert 0 < before.sum() < 1


def test_another_release_s_attention_is_not_made_up(viewer: ViewerServer, stand: Stand) -> None:
    stand.publish(tagged("of another release", release="small 0.0.1", name="other"))
    with events(viewer.url) as stream:
        event = next(e for e in posts(stream) if "other" in [post["id"] for post in e.data["posts"]])
    place = next(post["place"] for post in event.data["posts"] if post["id"] == "other")
    answer = ask(f"{viewer.url}/api/posts/{place}/attention")
    assert answer.status == 409
    assert "small 0.0.1" in answer.content["error"]


def take(page: Page, file: Path) -> None:
    """A picture of the page as it is seen, in few colours: it is kept under version control."""
    with Image.open(BytesIO(page.screenshot(animations="disabled"))) as seen:
        seen.convert("RGB").quantize(COLOURS).save(file, optimize=True)
