"""A post with what a person says of it, as annotators write it to `posts.annotations`."""

from __future__ import annotations

from itertools import pairwise
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from schemas.post import MAX_IMAGES, Post
from schemas.tagged_post import EntityType


class _Annotation(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class GoldEntity(_Annotation):
    """One named thing in the post's text, as the annotator marked it."""

    type: EntityType = Field(description="What kind of thing is named.")
    start: int = Field(ge=0, description="Offset of its first character, in Unicode code points.")
    end: int = Field(gt=0, description="Offset behind its last character, in Unicode code points.")

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.start >= self.end:
            raise ValueError(f"end, {self.end}, must lie behind start, {self.start}")
        return self


class AnnotatedPost(_Annotation):
    """A post, its entities, and which of its pictures are related to its text.

    Types are strict and unknown fields are ignored, as in a `Post`. The entities lie within the text
    and none over another.
    """

    post: Post = Field(description="The post as its producer wrote it.")
    entities: tuple[GoldEntity, ...] = Field(
        description="All entities of the text, in any order; an empty list says that there are none."
    )
    relations: tuple[bool | None, ...] | None = Field(
        default=None,
        max_length=MAX_IMAGES,
        description="For each picture of the post, in its order, whether it adds to what the text says; "
        "null where the annotator did not judge, for one picture or for all.",
    )
    annotator: str = Field(
        min_length=1, max_length=512, description="Who annotated it: a name or a pseudonym."
    )
    annotated_at: AwareDatetime = Field(description="When it was annotated, RFC 3339 with an offset.")

    @model_validator(mode="after")
    def _fits_the_post(self) -> Self:
        length = len(self.post.text)
        for index, entity in enumerate(self.entities):
            if entity.end > length:
                raise ValueError(f"entities.{index} ends at {entity.end}, and the text at {length}")
        for one, other in pairwise(sorted(self.entities, key=lambda entity: entity.start)):
            if other.start < one.end:
                raise ValueError(
                    f"entities overlap, {one.start} to {one.end} and {other.start} to {other.end}"
                )
        if self.relations is not None and len(self.relations) != len(self.post.pictures):
            raise ValueError(
                f"relations has {len(self.relations)} values, and the post {len(self.post.pictures)} pictures"
            )
        return self
