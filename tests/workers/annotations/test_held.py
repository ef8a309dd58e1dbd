from typing import Any

import pytest

from schemas import AnnotatedPost
from tests.schemas.test_annotated_post import read
from workers.annotations.held import Annotations, read_offsets, written_offsets


def annotation(hour: int, annotator: str = "vera", id_: str = "1") -> AnnotatedPost:
    return read(
        post={"id": id_, "text": "Anita Borg in Lisbon"},
        relations=None,
        annotator=annotator,
        annotated_at=f"2026-01-31T{hour:02}:00:00+02:00",
    )


def taken(*records: Any) -> Annotations:
    annotations = Annotations()
    for record in records:
        key, value = record if isinstance(record, tuple) else (record.post.id.encode(), record)
        annotations.take(key, value if isinstance(value, bytes | None) else value.model_dump_json().encode())
    return annotations


def who(annotations: Annotations) -> list[str]:
    return [each.annotator for each in annotations.by_age]


def test_the_newest_of_a_post_wins_and_at_one_moment_the_later_record() -> None:
    assert who(taken(annotation(8, "one"), annotation(9, "two"))) == ["two"]
    assert who(taken(annotation(9, "two"), annotation(8, "late"))) == ["two"]
    assert who(taken(annotation(9, "two"), annotation(9, "three"))) == ["three"]


def test_posts_come_by_age() -> None:
    assert who(taken(annotation(9, "b", "2"), annotation(8, "c", "3"), annotation(9, "a", "1"))) == [
        "c",
        "a",
        "b",
    ]


@pytest.mark.parametrize("nothing", [None, b""])
def test_what_is_taken_back_is_gone_until_it_is_annotated_again(nothing: bytes | None) -> None:
    assert who(taken(annotation(9), (b"1", nothing))) == []
    assert who(taken(annotation(9), (b"1", nothing), annotation(8, "again"))) == ["again"]


def test_strangers_records_change_nothing_and_are_counted() -> None:
    strange: list[Any] = [
        (b"1", b"{"),
        (b"1", b"\xff"),
        (b"2", annotation(10, "wrong key")),
        (None, annotation(11)),
    ]
    annotations = taken(annotation(9), *strange)
    assert (annotations.records, annotations.unreadable) == (5, 4)
    assert who(annotations) == ["vera"]


def test_offsets_are_written_as_they_are_read() -> None:
    assert read_offsets(written_offsets({1: 40, 0: 312})) == {0: 312, 1: 40}
    assert written_offsets({1: 40, 0: 312}) == "0:312,1:40"
