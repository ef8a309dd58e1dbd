import json

import pytest

from schemas import DeadLetterReason, Stage
from workers.tagger.intake import read_post
from workers.tagger.unworkable import Unworkable


def failure(value: bytes | None) -> Unworkable:
    with pytest.raises(Unworkable) as caught:
        read_post(value)
    return caught.value


@pytest.mark.parametrize("value", [None, b""])
def test_a_record_without_a_value(value: bytes | None) -> None:
    assert failure(value).reason is DeadLetterReason.EMPTY


@pytest.mark.parametrize(
    "value",
    [
        b"\xff\xfe",
        b"hello",
        b'{"id": "1", "text": "x"',
        b'{"id": "1", "text": "\\ud800"}',
        b"[" * 10_000,
        '{"id": "1", "text": "é"}'.encode("latin-1"),
        '{"id": "1", "text": "x"}'.encode("utf-16"),
    ],
)
def test_what_is_no_json_in_utf_8(value: bytes) -> None:
    caught = failure(value)
    assert (caught.reason, caught.stage) == (DeadLetterReason.NOT_JSON, Stage.INTAKE)


@pytest.mark.parametrize("value", [b"1", b"null", b"[]", b'"text"'])
def test_json_that_is_no_object(value: bytes) -> None:
    caught = failure(value)
    assert caught.reason is DeadLetterReason.INVALID_POST
    assert "object" in caught.message


@pytest.mark.parametrize(
    ("post", "field", "says"),
    [
        ({"text": "x"}, "id", "The field id is missing."),
        ({"id": 7, "text": "x"}, "id", "The field id must be a string; it is 7."),
        ({"id": "", "text": "x"}, "id", "The field id must not be empty; it is ''."),
        ({"id": "1", "text": None}, "text", "The field text must be a string; it is None."),
        ({"id": "1", "text": "x", "image_urls": [1]}, "image_urls", "image_urls.0 must be a string; it is 1"),
        ({"id": "1", "text": "x", "image_urls": ["u"] * 5}, "image_urls", "holds more than 4 URLs"),
        ({"id": "1", "text": "x", "created_at": "today"}, "created_at", "RFC 3339"),
        ({"id": "1", "text": "x", "created_at": "2026-01-31T12:00:00"}, "created_at", "needs an offset"),
        ({"id": "1", "text": "x", "image_url": "a", "image_urls": ["b"]}, "image_url", "give one of them"),
    ],
)
def test_a_wrong_field_is_named_with_its_value(post: object, field: str, says: str) -> None:
    caught = failure(json.dumps(post).encode())
    assert caught.reason is DeadLetterReason.INVALID_POST
    assert caught.field == field
    assert says in caught.message


def test_a_huge_value_is_cut_in_the_message() -> None:
    caught = failure(json.dumps({"id": "1", "text": "x" * 70_000}).encode())
    assert "70002 characters" in caught.message
    assert len(caught.message) < 200


def test_nothing_of_the_library_s_text_is_passed_on() -> None:
    for value in (b"hello", b'{"id": 1, "text": "x"}', b"[1]"):
        assert "pydantic" not in failure(value).message
        assert "Input should" not in failure(value).message


def test_duplicate_keys_take_the_last() -> None:
    assert read_post(b'{"id": "1", "text": "a", "text": "b"}').text == "b"
