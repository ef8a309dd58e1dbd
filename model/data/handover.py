"""Gold files as annotated posts, to hand them over to others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from model.data.annotated import gold_post, parse_annotated
from model.data.conll import read_conll
from model.data.gold import DatasetError, GoldPost
from model.data.lines import numbered_lines
from model.data.read import DataForm, form_of
from model.spans import conlleval_spans
from schemas import MAX_IMAGES, AnnotatedPost, EntityType, GoldEntity, Post

_DIGITS: Final = 16
"""Of the digest that names a post without a name: two of a billion meet once in 40."""


def read_handover(path: Path, annotator: str | None) -> list[AnnotatedPost]:
    """Read CoNLL or annotated posts, each of which can be trained on.

    A CoNLL file has words and no text: they are joined by spaces. It has no ids: a post is called by its
    first picture, or else by a digest of its text. It has no time: that of the file's last change stands
    for it.

    Args:
        path: the file.
        annotator: who annotated it, whatever the file says; CoNLL says nothing.

    Raises:
        DatasetError: the file can't be read, a line is wrong, an id stands for two posts, or nobody says who
            annotated.
    """
    match form_of(path):
        case DataForm.ANNOTATED:
            found = _from_lines(path, annotator)
        case DataForm.CONLL if annotator is not None:
            found = _from_conll(path, annotator)
        case DataForm.CONLL:
            raise DatasetError(f"{path}: CoNLL does not say who annotated it; say so by --annotator")
        case DataForm.TRC:
            raise DatasetError(
                f"{path}: holds relation labels and no entities; give CoNLL or annotated posts"
            )
    posts: dict[str, AnnotatedPost] = {}
    for where, annotated in found:
        if posts.setdefault(annotated.post.id, annotated) != annotated:
            raise DatasetError(
                f"{where}: the id {annotated.post.id!r} stood for another post above; give each its own"
            )
    return list(posts.values())


def _from_lines(path: Path, annotator: str | None) -> Iterator[tuple[str, AnnotatedPost]]:
    for number, line in numbered_lines(path):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        annotated = parse_annotated(line, where)
        gold_post(annotated, where, Counter())
        if annotator is not None:
            annotated = annotated.model_copy(update={"annotator": annotator})
        yield where, annotated


def _from_conll(path: Path, annotator: str) -> Iterator[tuple[str, AnnotatedPost]]:
    at = datetime.fromtimestamp(int(path.stat().st_mtime), UTC)
    for number, post in enumerate(read_conll(path).posts, start=1):
        where = f"{path}, post {number}"
        yield where, _annotated(post, where, annotator, at)


def _annotated(post: GoldPost, where: str, annotator: str, at: datetime) -> AnnotatedPost:
    text = " ".join(post.words)
    starts = [0]
    for word in post.words:
        starts.append(starts[-1] + len(word) + 1)
    images = tuple(name for name in post.images if name)[:MAX_IMAGES]
    try:
        return AnnotatedPost(
            post=Post(
                id=images[0] if images else f"text-{sha256(text.encode()).hexdigest()[:_DIGITS]}",
                text=text,
                image_urls=images or None,
            ),
            entities=tuple(
                GoldEntity(type=EntityType(span.kind), start=starts[span.start], end=starts[span.end] - 1)
                for span in conlleval_spans(post.tags)
            ),
            annotator=annotator,
            annotated_at=at,
        )
    except ValidationError as error:
        field = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise DatasetError(
            f"{where}: makes no annotated post, field {field}; see `rpbert schemas annotated_post`"
        ) from None
