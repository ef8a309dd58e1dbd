"""`rpbert tag`: one post, without Kafka."""

from __future__ import annotations

from workers.settings import ModelSettings, OwnPictureSettings


def tag(
    text: str,
    /,
    *,
    image: tuple[str, ...] = (),
    model: ModelSettings = ModelSettings(),
    pictures: OwnPictureSettings = OwnPictureSettings(),
    json: bool = False,
) -> None:
    """Tag one text with its pictures, and print what was found.

    For example:

        rpbert tag "Anita Borg speaks in Lisbon tonight"

        rpbert tag "Lift-off at Cape Canaveral" --image rocket.jpg --json

    Args:
        text: the text of the post.
        image: a file or an http(s) URL; may be given up to four times.
        model: which release tags, and where it runs.
        pictures: how pictures are fetched; by default nothing is cached.
        json: print one JSON object instead.
    """
    from workers.one_post import tag_and_print

    tag_and_print(text, image, model, pictures, as_json=json)
