"""One post explained: a picture of what its entities attend to, and the numbers behind it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import util
from json import dumps
from pathlib import Path
from typing import Any

from rich.console import Console

from model.explain import Maps, VisualAttention
from schemas import ImageRelation, ImageStatus
from workers.errors import SetupError
from workers.fetching import ShownFetch
from workers.one_post import as_content, load_pictures, refuse_too_many, request
from workers.progress import bar
from workers.settings import ModelSettings, PictureSettings
from workers.tagger.description import describe
from workers.tagger.outcome import image_relations
from workers.tagger.process import load_tagger


def explain_and_draw(
    text: str,
    image: Sequence[str],
    output: Path,
    model: ModelSettings,
    pictures: PictureSettings,
    *,
    as_json: bool,
) -> None:
    """Tag a text with its pictures, and write one picture of its entities' visual attention.

    Raises:
        SetupError: matplotlib is missing, the release or a file can't be used, the output can't be written.
    """
    refuse_too_many(image)
    if not util.find_spec("matplotlib"):
        raise SetupError("drawing needs matplotlib: pip install 'rpbert-stream[train]'")
    from workers.attention_figure import FORMATS, Explained, draw, write  # noqa: PLC0415 - an extra

    if output.suffix.removeprefix(".").lower() not in FORMATS:
        raise SetupError(f"--output is {output}: give it an ending of {', '.join(f'.{f}' for f in FORMATS)}")
    with bar("explaining") as explaining:
        tagger = load_tagger(model, progress=ShownFetch(explaining))
        # The picture itself is drawn, and a cache has only its features.
        loaded = load_pictures(image, pictures.model_copy(update={"redis_url": None}), tagger)
        found = describe(tagger, [loaded])[0]
        tagging, attention = tagger.explain(request(tagger, text, found))
        images = image_relations(found, tagging)
        figure = draw(
            Explained(
                text=text,
                entities=tagging.entities,
                images=images,
                pixels=tuple(picture.pixels for picture in loaded if picture.pixels is not None),
                attention=attention,
                release=f"{tagger.name} {tagger.version}",
            )
        )
    try:
        write(figure, output)
    except OSError as error:
        raise SetupError(f"the picture {output} can't be written ({error.strerror})") from error
    if as_json:
        content = with_attention(as_content(tagger, tagging, images), images, attention)
        sys.stdout.write(dumps(content, ensure_ascii=False) + "\n")
        return
    Console(highlight=False).print(f"written to {output}", markup=False, soft_wrap=True)


def with_attention(
    content: dict[str, Any], images: Sequence[ImageRelation], attention: VisualAttention
) -> dict[str, Any]:
    """Each image with its gate, each entity with its maps; null for an image that could not be had."""
    usable = iter(range(len(attention.gates)))
    places = [next(usable) if image.status is ImageStatus.OK else None for image in images]
    for image, place in zip(content["images"], places, strict=True):
        image["gate"] = None if place is None else attention.gates[place]
    for index, entity in enumerate(content["entities"]):
        entity["attention"] = [
            None
            if place is None
            else {
                "before": _rounded(attention.before[index, place]),
                "after": _rounded(attention.after[index, place]),
            }
            for place in places
        ]
    return content


def _rounded(attended: Maps) -> list[list[float]]:
    return [[round(share, 6) for share in row] for row in attended.tolist()]
