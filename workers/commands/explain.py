"""`rpbert explain`: where the entities of one post look in its pictures."""

from __future__ import annotations

from pathlib import Path

from workers.settings import ModelSettings, OwnPictureSettings


def explain(
    text: str,
    /,
    *,
    image: tuple[str, ...] = (),
    output: Path = Path("explain.png"),
    model: ModelSettings = ModelSettings(),
    pictures: OwnPictureSettings = OwnPictureSettings(),
    json: bool = False,
) -> None:
    """Draw what each entity of a post attends to in its pictures, before and behind the gate.

    Needs matplotlib: `pip install 'rpbert-stream[train]'`. For example:

        rpbert explain "Lift-off at Cape Canaveral" --image rocket.jpg --output explain.png

    Args:
        text: the text of the post.
        image: a file or an http(s) URL; may be given up to four times.
        output: the picture to write; its ending says the format, such as .png, .svg or .pdf.
        model: which release tags, and where it runs.
        pictures: how pictures are fetched; nothing is cached.
        json: print the numbers as one JSON object, too.
    """
    from workers.explain import explain_and_draw

    explain_and_draw(text, image, output, model, pictures, as_json=json)
