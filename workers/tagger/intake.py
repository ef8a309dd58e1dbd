"""From a record's bytes to a post, or to the reason why it is none."""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from schemas import DeadLetterReason, Post, Stage
from workers.tagger.unworkable import Unworkable

_SHOWN_CHARACTERS: Final = 60
_EXPECTED: Final = {
    "string_type": "must be a string",
    "string_too_short": "must not be empty",
    "string_too_long": "has more than {max_length} characters",
    "tuple_type": "must be a list of strings",
    "too_long": "holds more than {max_length} URLs",
    "missing": "is missing",
    "datetime_type": "must be a time as RFC 3339 text, such as 2026-01-31T12:00:00Z",
    "datetime_from_date_parsing": "must be a time as RFC 3339 text, such as 2026-01-31T12:00:00Z",
    "datetime_parsing": "must be a time as RFC 3339 text, such as 2026-01-31T12:00:00Z",
    "timezone_aware": "needs an offset, such as Z or +02:00",
}


def read_post(value: bytes | None) -> Post:
    """Read a post from a record's value, UTF-8 JSON.

    Raises:
        Unworkable: the value is empty, no JSON (RFC 8259), or not a post; its message and field say why
            in our own words.
    """
    if not value:
        raise Unworkable(
            DeadLetterReason.EMPTY, Stage.INTAKE, "The record has no value; a post was expected."
        )
    try:
        return Post.model_validate_json(value)
    except ValidationError as error:
        raise _unworkable(error.errors(include_url=False)[0]) from None


def _unworkable(detail: ErrorDetails) -> Unworkable:
    match detail["type"]:
        case "json_invalid":
            return Unworkable(
                DeadLetterReason.NOT_JSON,
                Stage.INTAKE,
                "The value is not JSON in UTF-8; a post was expected.",
            )
        case "model_type":
            return _invalid("", "The value is JSON, but no object with `id` and `text`.")
        case "value_error":
            return _invalid("image_url", "Both image_url and image_urls are given; give one of them.")
    name = str(detail["loc"][0])
    expected = _EXPECTED.get(detail["type"], "is not valid").format(**detail.get("ctx", {}))
    where = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "missing":
        return _invalid(name, f"The field {where} is missing.")
    return _invalid(name, f"The field {where} {expected}; it is {_shown(detail['input'])}.")


def _invalid(field: str, message: str) -> Unworkable:
    return Unworkable(DeadLetterReason.INVALID_POST, Stage.INTAKE, message, field=field or None)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}… ({len(text)} characters)"
