"""What stands in the figure of visual attention, read from its texts and images."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from model.explain import GRID, VisualAttention
from model.pictures import decode
from schemas import Entity, EntityType, ImageRelation, ImageStatus
from workers.attention_figure import FORMATS, Explained, draw, write
from workers.local.samples import picture_bytes

TEXT = "Liftoff! SpaceX sends another Falcon 9 up from Cape Canaveral for $1"
FOUND = (("SpaceX", EntityType.ORG), ("Falcon 9", EntityType.MISC), ("Cape Canaveral", EntityType.LOC))
PICTURES = ("rocket.jpg", "horse.jpg", "coffee.jpg", "chelsea.jpg")


def explained(
    *,
    pictures: int = 1,
    entities: int = 3,
    gates: tuple[float, ...] = (1.0, 0.0, 0.25, 1.0),
    text: str = TEXT,
) -> Explained:
    found = tuple(
        Entity(type=kind, text=name, start=TEXT.index(name), end=TEXT.index(name) + len(name), score=0.9)
        for name, kind in FOUND
    )
    gates = gates[:pictures]
    repeated = (found * entities)[:entities]
    before = np.random.default_rng(0).uniform(0.001, 0.01, (entities, pictures, GRID, GRID))
    attended = before.astype(np.float32)
    return Explained(
        text=text,
        entities=repeated if entities <= len(found) else tuple(sorted(repeated, key=lambda e: e.start)),
        images=tuple(
            ImageRelation(url=f"https://x.org/{name}", status=ImageStatus.OK, relevance=0.6 + 0.1 * index)
            for index, name in enumerate(PICTURES[:pictures])
        ),
        pixels=tuple(decode(picture_bytes(name)) for name in PICTURES[:pictures]),
        attention=VisualAttention(
            gates, attended, attended * np.array(gates, np.float32)[None, :, None, None]
        ),
        release="tiny 1",
    )


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]


@pytest.mark.parametrize("pictures", range(5))
@pytest.mark.parametrize("entities", [0, 1, 3, 30])
def test_any_number_of_pictures_and_entities_fits_on_the_page(pictures: int, entities: int) -> None:
    figure = draw(explained(pictures=pictures, entities=entities))
    page = figure.axes[0].get_window_extent()
    for axes in figure.axes[1:]:
        assert page.x0 <= axes.bbox.x0 < axes.bbox.x1 <= page.x1
        assert page.y0 <= axes.bbox.y0 < axes.bbox.y1 <= page.y1
    panels = pictures * (1 + 2 * min(entities, 24))
    assert len(figure.axes) == 1 + panels + bool(pictures and entities)


def test_it_says_how_related_what_was_found_and_who_says_so() -> None:
    said = texts(draw(explained(pictures=3)))
    assert "Relation score 0.80" in said
    assert "tiny 1" in said
    for tag in (" ORG 0.90", " MISC 0.90", " LOC 0.90"):
        assert tag in said
    assert "rocket.jpg: related 0.60, let in whole" in said
    assert "horse.jpg: related 0.70, shut out" in said
    assert "coffee.jpg: related 0.80, let in by 0.25" in said


def test_a_shut_picture_is_bare_behind_the_gate() -> None:
    open_figure, shut = (draw(explained(gates=(gate,))) for gate in (1.0, 0.0))
    assert [len(axes.images) for axes in open_figure.axes[1:-1]] == [1, *[2] * 6]
    assert [len(axes.images) for axes in shut.axes[1:-1]] == [1, 2, 1, 2, 1, 2, 1]
    assert texts(shut).count("0.0 %") >= 3


def test_the_heat_of_all_maps_has_one_scale_from_nothing() -> None:
    figure = draw(explained(pictures=2))
    limits = {axes.images[1].get_clim() for axes in figure.axes if len(axes.images) == 2}
    assert len(limits) == 1
    assert limits.pop()[0] == 0


def test_a_post_without_picture_or_entity_says_so() -> None:
    assert "Text alone: no picture to relate to" in texts(draw(explained(pictures=0)))
    assert "no entities" in texts(draw(explained(entities=0)))


def test_a_picture_that_could_not_be_had_is_named_with_the_reason() -> None:
    post = explained(pictures=0)
    missing = ImageRelation(url="https://x.org/missing.jpg", status=ImageStatus.TOO_LARGE)
    figure = draw(Explained(post.text, post.entities, (missing,), (), post.attention, post.release))
    assert "missing.jpg: too large, text only" in texts(figure)


def test_what_is_left_out_is_counted() -> None:
    said = texts(draw(explained(entities=30, text=TEXT + " and so on" * 400)))
    assert "… and 6 entities more" in said
    assert any("lines more" in text for text in said)


@pytest.mark.parametrize("ending", FORMATS)
def test_it_is_written_in_every_format_whatever_the_script(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"explain.{ending}"
    write(draw(explained(entities=0, text="東京 🗻 القاهرة $\\frac$ \x1b[2J")), path)
    assert path.stat().st_size > 1000
    if ending == "png":
        with Image.open(BytesIO(path.read_bytes())) as picture:
            assert picture.width == 1100
