import pytest
from pydantic import ValidationError

from schemas import DeadLetter, DeadLetterReason, Stage

LETTER = DeadLetter(
    reason=DeadLetterReason.INVALID_POST,
    stage=Stage.INTAKE,
    field="id",
    message="The field id is missing: нет.",
    topic="posts.raw",
    partition=3,
    offset=41,
    release="small/1",
)


def test_headers_bring_back_the_letter_among_other_headers() -> None:
    headers = [("traceparent", b"00-1"), *LETTER.to_headers(), ("empty", None)]
    assert DeadLetter.from_headers(headers) == LETTER


def test_a_field_that_is_null_has_no_header() -> None:
    names = [name for name, _ in LETTER.model_copy(update={"field": None}).to_headers()]
    assert "__rpbert.errors.field" not in names
    assert "__rpbert.errors.offset" in names


def test_a_record_that_is_no_dead_letter_is_refused() -> None:
    with pytest.raises(ValidationError):
        DeadLetter.from_headers([("traceparent", b"00-1")])


def test_headers_of_an_earlier_time_are_passed_over() -> None:
    earlier = LETTER.model_copy(update={"reason": DeadLetterReason.EMPTY, "release": "small/0"})
    again = LETTER.model_copy(update={"field": None, "release": None})
    assert DeadLetter.from_headers([*earlier.to_headers(), *again.to_headers()]) == again


def test_bytes_that_are_not_utf_8_are_read_as_far_as_they_can_be() -> None:
    headers = [*LETTER.to_headers(), ("__rpbert.errors.message", b"n\xffo")]
    assert DeadLetter.from_headers(headers).message == "n\N{REPLACEMENT CHARACTER}o"
