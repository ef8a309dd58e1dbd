"""One post tagged and printed, without Kafka."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import Future
from json import dumps
from pathlib import Path
from typing import Any

from rich.console import Console

from model.inference import Tagger, Tagging, TagRequest
from model.pictures import PictureError, decode
from schemas import MAX_IMAGES, ImageRelation, ImageStatus
from workers.errors import SetupError
from workers.fetching import ShownFetch
from workers.metrics import Metrics
from workers.progress import bar
from workers.render import marked, relation
from workers.settings import ModelSettings, PictureSettings
from workers.tagger.description import describe
from workers.tagger.outcome import image_relations
from workers.tagger.pictures.picture import Picture
from workers.tagger.pictures.service import PictureService
from workers.tagger.process import load_tagger


def tag_and_print(
    text: str, image: Sequence[str], model: ModelSettings, pictures: PictureSettings, *, as_json: bool
) -> None:
    """Tag a text with its pictures, files or URLs, and print what was found.

    Raises:
        SetupError: the release or a file can't be used.
    """
    refuse_too_many(image)
    with bar("tagging") as under_way:
        tagger = load_tagger(model, progress=ShownFetch(under_way))
        found = describe(tagger, [load_pictures(image, pictures, tagger)])[0]
        tagging = tagger.tag([request(tagger, text, found)])[0]
    images = image_relations(found, tagging)
    if as_json:
        sys.stdout.write(dumps(as_content(tagger, tagging, images), ensure_ascii=False) + "\n")
        return
    console = Console(highlight=False)
    console.print(marked(text, tagging.entities), soft_wrap=True)
    for each in images:
        console.print(relation(each, each.url), soft_wrap=True)


def refuse_too_many(image: Sequence[str]) -> None:
    """Refuse more pictures than a post may have.

    Raises:
        SetupError: there are more.
    """
    if len(image) > MAX_IMAGES:
        raise SetupError(f"--image was given {len(image)} times; a post has at most {MAX_IMAGES} pictures")


def request(tagger: Tagger, text: str, pictures: Sequence[Picture]) -> TagRequest:
    """A post as the network takes it; pictures that could not be had are left out."""
    features = tuple(picture.features for picture in pictures if picture.features is not None)
    return TagRequest(tagger.prepare(text), features)


def as_content(tagger: Tagger, tagging: Tagging, images: Sequence[ImageRelation]) -> dict[str, Any]:
    """What was found, as JSON has it."""
    return {
        "entities": [entity.model_dump(mode="json") for entity in tagging.entities],
        "relevance": max(tagging.relevance, default=None),
        "images": [each.model_dump(mode="json") for each in images],
        "release": {"name": tagger.name, "version": tagger.version},
    }


def load_pictures(images: Sequence[str], settings: PictureSettings, tagger: Tagger) -> tuple[Picture, ...]:
    """Pictures as a worker has them: files are read, URLs fetched.

    Raises:
        SetupError: a file can't be read or is no picture.
    """
    urls = tuple(image for image in images if image.startswith(("http://", "https://")))
    fetched = iter(_fetch(urls, settings, tagger) if urls else ())
    return tuple(next(fetched) if image in urls else _read(Path(image), settings) for image in images)


def _fetch(urls: tuple[str, ...], settings: PictureSettings, tagger: Tagger) -> tuple[Picture, ...]:
    service = PictureService(
        settings,
        backbone_digest=tagger.backbone_digest,
        feature_channels=tagger.feature_channels,
        metrics=Metrics(),
    )
    service.start()
    try:
        answer: Future[tuple[Picture, ...]] = Future()
        service.submit(urls, answer.set_result)
        return answer.result()
    finally:
        service.close()


def _read(file: Path, settings: PictureSettings) -> Picture:
    try:
        pixels = decode(file.read_bytes(), max_pixels=settings.max_pixels)
    except OSError as error:
        raise SetupError(f"the picture {file} can't be read ({error.strerror})") from error
    except PictureError as error:
        raise SetupError(f"the picture {file} can't be used: {error}") from error
    return Picture(str(file), ImageStatus.OK, content=str(file), pixels=pixels)
