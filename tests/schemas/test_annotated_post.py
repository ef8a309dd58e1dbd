import json
from typing import Any

import pytest
from pydantic import ValidationError

from schemas import AnnotatedPost, EntityType

LINE: dict[str, Any] = {
    "post": {"id": "1", "text": "Anita Borg in Lisbon", "image_urls": ["a", "b"]},
    "entities": [{"type": "LOC", "start": 14, "end": 20}, {"type": "PER", "start": 0, "end": 10}],
    "relations": [True, None],
    "annotator": "vera",
    "annotated_at": "2026-01-31T12:00:00Z",
}


def read(**changes: Any) -> AnnotatedPost:
    return AnnotatedPost.model_validate_json(json.dumps({**LINE, **changes}))


def test_a_post_is_read_with_its_entities_and_relations() -> None:
    annotated = read()
    assert [(entity.type, entity.start) for entity in annotated.entities] == [
        (EntityType.LOC, 14),
        (EntityType.PER, 0),
    ]
    assert annotated.relations == (True, None)
    assert read(relations=None, note="sure").relations is None


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"entities": [{"type": "LOC", "start": 14, "end": 21}]}, "ends at 21, and the text at 20"),
        ({"entities": [{"type": "LOC", "start": 14, "end": 14}]}, "must lie behind start"),
        (
            {"entities": [*LINE["entities"], {"type": "ORG", "start": 9, "end": 12}]},
            "overlap, 0 to 10 and 9 to 12",
        ),
        ({"relations": [True]}, "relations has 1 values, and the post 2 pictures"),
    ],
)
def test_what_does_not_fit_the_post_is_refused(changes: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        read(**changes)


@pytest.mark.parametrize(
    ("field", "given"),
    [
        (("post", "id"), {"post": {"id": 1, "text": "x"}}),
        (("entities", 0, "type"), {"entities": [{"type": "CITY", "start": 0, "end": 1}]}),
        (("entities", 0, "start"), {"entities": [{"type": "PER", "start": "0", "end": 1}]}),
        (("relations", 1), {"relations": [True, 1]}),
        (("annotator",), {"annotator": ""}),
        (("annotated_at",), {"annotated_at": "2026-01-31T12:00:00"}),
    ],
)
def test_a_wrong_field_is_named(field: tuple[str | int, ...], given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        read(**given)
    assert caught.value.errors()[0]["loc"] == field
