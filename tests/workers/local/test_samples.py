"""The sample posts and pictures keep what the demo and the documents say of them."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from workers.local.picture_host import PictureHost
from workers.local.samples import picture_bytes, picture_names, sample_posts


def test_there_are_24_posts_with_ids_of_their_own_in_order() -> None:
    posts = sample_posts(str)
    assert [post.id for post in posts] == [f"sample-{number:02d}" for number in range(1, 25)]


def test_one_text_is_empty_and_one_picture_is_missing() -> None:
    posts = sample_posts(str)
    assert sum(not post.text for post in posts) == 1
    named = {name for post in posts for name in post.pictures}
    assert named - set(picture_names()) == {"missing.jpg"}


def test_every_picture_is_shown_by_some_post_and_none_has_more_than_two() -> None:
    posts = sample_posts(str)
    assert set(picture_names()) <= {name for post in posts for name in post.pictures}
    assert max(len(post.pictures) for post in posts) == 2


def test_several_scripts_are_there() -> None:
    text = "".join(post.text for post in sample_posts(str))
    for letter in "λقम東é":
        assert letter in text


def test_pictures_get_the_hosts_urls(picture_host: PictureHost) -> None:
    posts = sample_posts(picture_host.url_of)
    assert posts[0].pictures == (f"{picture_host.url}/rocket.jpg",)


@pytest.mark.parametrize("name", picture_names())
def test_pictures_are_small_jpegs(name: str) -> None:
    content = picture_bytes(name)
    assert len(content) <= 60_000
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.format == "JPEG"
        assert max(picture.size) <= 640


@pytest.mark.parametrize("name", ["missing.jpg", "../samples.py", "CREDITS.md"])
def test_only_sample_pictures_are_given_out(name: str) -> None:
    with pytest.raises(ValueError, match="no sample picture"):
        picture_bytes(name)
