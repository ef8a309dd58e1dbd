import pytest
from pydantic import ValidationError

from schemas import Post


def read(text: str) -> Post:
    return Post.model_validate_json(text)


def test_one_picture_may_be_given_alone_or_in_a_list() -> None:
    alone = read('{"id": "1", "text": "x", "image_url": "http://a.example/1.jpg"}')
    listed = read('{"id": "1", "text": "x", "image_urls": ["http://a.example/1.jpg"]}')
    assert alone.pictures == listed.pictures == ("http://a.example/1.jpg",)


@pytest.mark.parametrize("given", ["", ', "image_urls": []', ', "image_urls": null', ', "image_url": null'])
def test_a_post_without_pictures(given: str) -> None:
    assert read(f'{{"id": "1", "text": "x"{given}}}').pictures == ()


def test_fields_we_do_not_know_are_ignored() -> None:
    assert read('{"id": "1", "text": "x", "likes": 3, "place": {"lat": 1}}') == Post(id="1", text="x")


def test_a_url_is_not_judged_here() -> None:
    assert read('{"id": "1", "text": "x", "image_url": "no url at all"}').pictures == ("no url at all",)


def test_the_time_of_a_post_keeps_its_offset() -> None:
    created = read('{"id": "1", "text": "x", "created_at": "2026-01-31T12:00:00+02:00"}').created_at
    assert created is not None
    assert created.isoformat() == "2026-01-31T12:00:00+02:00"


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("id", '"text": "x"'),
        ("text", '"id": "1"'),
        ("id", '"id": 1, "text": "x"'),
        ("id", '"id": "", "text": "x"'),
        ("text", '"id": "1", "text": null'),
        ("text", '"id": "1", "text": ["x"]'),
        ("image_urls", '"id": "1", "text": "x", "image_urls": "http://a.example/1.jpg"'),
        ("image_urls", '"id": "1", "text": "x", "image_urls": ["a", "b", "c", "d", "e"]'),
        ("image_urls", '"id": "1", "text": "x", "image_urls": [1]'),
        ("created_at", '"id": "1", "text": "x", "created_at": "2026-01-31T12:00:00"'),
        ("created_at", '"id": "1", "text": "x", "created_at": 1769860800'),
    ],
)
def test_a_wrong_field_is_named(field: str, given: str) -> None:
    with pytest.raises(ValidationError) as caught:
        read(f"{{{given}}}")
    assert caught.value.errors()[0]["loc"][0] == field


def test_two_ways_at_once_are_refused() -> None:
    with pytest.raises(ValidationError, match="not both"):
        read('{"id": "1", "text": "x", "image_url": "a", "image_urls": ["b"]}')
