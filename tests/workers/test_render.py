from io import StringIO

import pytest
from rich.console import Console
from rich.text import Text

from schemas import Entity, EntityType, ImageRelation, ImageStatus
from workers.render import escaped, listed, marked, plain, relation


def printed(text: Text) -> str:
    file = StringIO()
    Console(file=file, width=200, force_terminal=False).print(text, soft_wrap=True)
    return file.getvalue().rstrip("\n")


def entity(text: str, start: int, end: int, kind: EntityType = EntityType.LOC) -> Entity:
    return Entity(type=kind, text=text[start:end], start=start, end=end, score=0.5)


def test_entities_stand_marked_in_their_text() -> None:
    text = "From Oslo to São Paulo 🌍!"
    found = [entity(text, 5, 9), entity(text, 13, 22)]
    assert printed(marked(text, found)) == "From Oslo LOC to São Paulo LOC 🌍!"
    assert printed(listed(found)) == "Oslo LOC 0.50  São Paulo LOC 0.50"


def test_a_post_without_entities_says_so() -> None:
    assert printed(listed([])) == "no entities"


@pytest.mark.parametrize(
    ("score", "meter"), [(0.0, "░░░░░░░░░░ 0.00"), (0.64, "██████░░░░ 0.64"), (1.0, "██████████ 1.00")]
)
def test_the_relation_score_is_a_meter(score: float, meter: str) -> None:
    image = ImageRelation(url="u", status=ImageStatus.OK, relevance=score)
    assert printed(relation(image, "cat.jpg")) == f"  {meter}  cat.jpg"


def test_a_picture_that_took_no_part_says_why() -> None:
    image = ImageRelation(url="u", status=ImageStatus.TOO_LARGE)
    assert printed(relation(image, "cat.jpg")) == "  cat.jpg: too large, text only"


@pytest.mark.parametrize(
    "hostile",
    [
        "\x1b]0;owned\x07",
        "\x1b[2J\x1b[H",
        "\x9b31m",
        "\u202egnp.exe",
        "a\rb",
        "[red]markup[/red] [/]",
        "[link=file:///etc]x[/link]",
    ],
)
def test_a_stranger_s_text_cannot_steer_the_terminal(hostile: str) -> None:
    image = ImageRelation(url=hostile, status=ImageStatus.BAD_URL)
    for text in (
        marked(hostile, []),
        marked(hostile, [entity(hostile, 0, 1)]),
        listed([entity(hostile, 0, len(hostile))]),
        relation(image, hostile),
    ):
        assert not {"\x1b", "\x9b", "\x07", "\r", "\u202e"} & set(printed(text))
    assert "markup" not in hostile or "[red]markup[/red]" in printed(marked(hostile, []))


def test_lines_stay_lines() -> None:
    assert plain("a\nb\tc") == "a b c"


def test_an_escaped_text_keeps_its_lines_and_tells_what_would_steer() -> None:
    assert escaped("a\n\x1b[2J\u202e\u2028é\t") == "a\n\\x1b[2J\\u202e\\u2028é\\t"
