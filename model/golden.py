"""Golden posts: what a release must get right before it serves, kept in the release itself.

A line is an `AnnotatedPost`, as annotators write it. Posts are tagged by their text alone: a release is
checked where no picture can be fetched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import ValidationError

from model.manifest import Fault, ReleaseError
from schemas import AnnotatedPost, Entity, GoldEntity


def read_golden(path: Path) -> tuple[AnnotatedPost, ...]:
    """The golden posts of a file; empty lines are left out.

    Raises:
        ReleaseError: it can't be read, or a line is no annotated post.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise ReleaseError(f"{path} can't be read ({type(error).__name__}); check the path") from None
    posts = []
    for number, line in enumerate(lines, start=1):
        try:
            posts.extend([AnnotatedPost.model_validate_json(line)] if line.strip() else [])
        except ValidationError as error:
            field = ".".join(map(str, error.errors()[0]["loc"])) or "the whole"
            raise ReleaseError(
                f"{path}, line {number}, is no annotated post ({field}); see docs/schemas/annotated_post",
                Fault.FORMAT,
            ) from None
    return tuple(posts)


def write_golden(path: Path, posts: Iterable[AnnotatedPost]) -> None:
    """Write golden posts as `read_golden` reads them."""
    path.write_text("".join(f"{post.model_dump_json()}\n" for post in posts), encoding="utf-8")


def wrong_spans(post: AnnotatedPost, found: Sequence[Entity]) -> list[tuple[tuple[int, int], str]]:
    """Spans with their type that a golden post is to have and was not given, or the other way round."""
    return sorted(_spans(post.entities).items() ^ _spans(found).items())


def require_golden(release: str, post: AnnotatedPost, found: Sequence[Entity]) -> None:
    """See that a golden post came out as it must: the same spans and types, no more and no less.

    Args:
        release: how the message calls the release.
        post: the golden post.
        found: what the release finds in it.

    Raises:
        ReleaseError: it did not.
    """
    if wrong := wrong_spans(post, found):
        wanted, given = _spans(post.entities), _spans(found)
        (start, end), _ = wrong[0]
        raise ReleaseError(
            f"{release} tags its golden post {post.post.id!r} wrong: {post.post.text[start:end]!r} is to be "
            f"{wanted.get((start, end), 'no entity')}, and comes out as {given.get((start, end), 'none')}; "
            "train it anew, or publish it with other golden posts",
            Fault.GOLDEN,
        )


def _spans(entities: Iterable[Entity | GoldEntity]) -> dict[tuple[int, int], str]:
    """The type of each entity by its start and end."""
    return {(each.start, each.end): each.type.value for each in entities}
