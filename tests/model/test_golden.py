from pathlib import Path

import pytest

from model.golden import read_golden, require_golden, write_golden
from model.manifest import Fault, ReleaseError
from schemas import AnnotatedPost, Entity, EntityType

TEXT = "Anita Borg speaks in Lisbon tonight"
LINE = (
    '{"post": {"id": "g1", "text": "' + TEXT + '"}, "annotator": "ada", '
    '"annotated_at": "2026-01-31T12:00:00Z", "entities": ['
    '{"type": "PER", "start": 0, "end": 10}, {"type": "LOC", "start": 21, "end": 27}]}'
)


def entity(kind: EntityType, start: int, end: int) -> Entity:
    return Entity(type=kind, text=TEXT[start:end], start=start, end=end, score=0.5)


PERSON, PLACE = entity(EntityType.PER, 0, 10), entity(EntityType.LOC, 21, 27)


@pytest.fixture
def post() -> AnnotatedPost:
    return AnnotatedPost.model_validate_json(LINE)


def test_golden_posts_are_read_as_they_were_written(tmp_path: Path, post: AnnotatedPost) -> None:
    write_golden(tmp_path / "golden.jsonl", [post, post])
    assert read_golden(tmp_path / "golden.jsonl") == (post, post)
    (tmp_path / "golden.jsonl").write_text(f"\n{LINE}\n\n")
    assert read_golden(tmp_path / "golden.jsonl") == (post,)


def test_a_line_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "golden.jsonl").write_text(LINE + "\n" + LINE.replace("PER", "CAT") + "\n")
    with pytest.raises(
        ReleaseError, match=r"golden\.jsonl, line 2, is no annotated post \(entities\.0\.type"
    ):
        read_golden(tmp_path / "golden.jsonl")
    with pytest.raises(ReleaseError, match="can't be read"):
        read_golden(tmp_path / "nowhere")


def test_what_comes_out_right_passes(post: AnnotatedPost) -> None:
    require_golden("small/2", post, [PERSON, PLACE])


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ([PERSON], "'Lisbon' is to be LOC, and comes out as none"),
        ([PERSON, entity(EntityType.ORG, 21, 27)], "'Lisbon' is to be LOC, and comes out as ORG"),
        (
            [PERSON, PLACE, entity(EntityType.MISC, 28, 35)],
            "'tonight' is to be no entity, and comes out as MISC",
        ),
        ([entity(EntityType.PER, 0, 5), PLACE], "'Anita' is to be no entity, and comes out as PER"),
    ],
)
def test_what_comes_out_wrong_names_the_post_and_what_is_wrong(
    post: AnnotatedPost, found: list[Entity], says: str
) -> None:
    with pytest.raises(ReleaseError, match=f"small/2 tags its golden post 'g1' wrong: {says}") as refused:
        require_golden("small/2", post, found)
    assert refused.value.fault is Fault.GOLDEN
