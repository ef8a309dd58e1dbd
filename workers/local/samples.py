"""Sample posts and pictures of our own: what the demo produces, and real data for the tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from schemas import Post

_DIRECTORY = Path(__file__).with_name("samples")
_PLACEHOLDER = "sample:"


def sample_posts(url_of: Callable[[str], str]) -> list[Post]:
    """The 24 sample posts, in several scripts, with none to two pictures each.

    One names a picture that does not exist, one has an empty text, and some pictures have nothing to do
    with their text.

    Args:
        url_of: Gives a picture's URL for its name, such as `PictureHost.url_of`.
    """
    lines = (_DIRECTORY / "posts.jsonl").read_text(encoding="utf-8").splitlines()
    return [_with_urls(Post.model_validate_json(line), url_of) for line in lines]


def picture_names() -> list[str]:
    """Names of the pictures that exist, such as `coffee.jpg`."""
    return sorted(file.name for file in _DIRECTORY.glob("*.jpg"))


def picture_bytes(name: str) -> bytes:
    """A picture's JPEG file.

    Raises:
        ValueError: No sample picture has this name.
    """
    if name not in picture_names():
        raise ValueError(f"no sample picture {name!r}: there are {', '.join(picture_names())}")
    return (_DIRECTORY / name).read_bytes()


def _with_urls(post: Post, url_of: Callable[[str], str]) -> Post:
    urls = tuple(url_of(url.removeprefix(_PLACEHOLDER)) for url in post.pictures)
    return post.model_copy(update={"image_urls": urls or None})
