from hypothesis import given
from hypothesis import strategies as st

from schemas import Entity, EntityType
from workers.tagged_lines import tagged_lines


def entity(text: str, found: str, kind: EntityType) -> Entity:
    start = text.index(found)
    return Entity(type=kind, text=found, start=start, end=start + len(found), score=0.97)


def test_an_entity_stands_with_its_tag_behind_it() -> None:
    text = "Anita Borg speaks"
    (line,) = tagged_lines(text, [entity(text, "Anita Borg", EntityType.PER)], width=80)
    assert "".join(run.text for run in line) == "Anita Borg PER 0.97 speaks"
    assert [run.text for run in line if run.type and not run.tag] == ["Anita", " ", "Borg"]
    assert [run.text for run in line if run.tag] == [" PER 0.97"]


def test_lines_break_at_white_space_and_begin_at_the_left() -> None:
    lines = tagged_lines("one two three four", [], width=9)
    assert ["".join(run.text for run in line).strip() for line in lines] == ["one two", "three", "four"]
    assert all(line[0].column == 0 for line in lines)


def test_wide_letters_take_two_cells_and_marks_none() -> None:
    (line,) = tagged_lines("東京 e\u0301", [], width=80)
    assert [run.cells for run in line] == [4, 1, 1]


def test_a_text_of_nothing_is_a_line_of_nothing() -> None:
    assert tagged_lines("", [], width=80) == [[]]


@given(st.text(max_size=300))
def test_whatever_is_written_stays_in_its_line(text: str) -> None:
    lines = tagged_lines(text, [], width=80)
    assert all(run.column + run.cells <= 80 for line in lines for run in line)
    assert sum(run.text != " " for line in lines for run in line) >= len(text.split())
