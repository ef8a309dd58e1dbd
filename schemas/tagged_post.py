"""What the tagger found in a post, as it writes it to `posts.entities`."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

SCHEMA_HEADER: Final = "rpbert.schema"
TAGGED_POST_SCHEMA: Final = "tagged_post/1"


class EntityType(StrEnum):
    """The four types of Twitter-2015 and Twitter-2017."""

    PER = "PER"
    LOC = "LOC"
    ORG = "ORG"
    MISC = "MISC"


class ImageStatus(StrEnum):
    """What became of a picture; only `ok` takes part in the result."""

    OK = "ok"
    BAD_URL = "bad_url"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    HTTP_ERROR = "http_error"
    TOO_LARGE = "too_large"
    NOT_A_PICTURE = "not_a_picture"
    BROKEN = "broken"


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Entity(_Wire):
    """One named thing in the text: `text == post.text[start:end]`, always."""

    type: EntityType = Field(description="What kind of thing is named.")
    text: str = Field(min_length=1, description="The entity's own characters.")
    start: int = Field(ge=0, description="Offset of its first character, in Unicode code points.")
    end: int = Field(gt=0, description="Offset behind its last character, in Unicode code points.")
    score: float = Field(
        ge=0, le=1, description="Posterior probability of exactly this span and type under the CRF."
    )


class ImageRelation(_Wire):
    """One picture of the post, in the order of `image_urls`."""

    url: str = Field(description="The URL as the post gave it.")
    status: ImageStatus = Field(
        description="`ok`, or why the picture took no part: "
        "`bad_url` is no http(s) URL, `refused` is a host or network we don't fetch from, "
        "`unreachable` gave no connection, `timeout` was too slow, `http_error` answered without a picture, "
        "`too_large` has too many bytes or pixels or costs too much to decode, "
        "`not_a_picture` is of another type, "
        "`broken` can't be decoded."
    )
    relevance: float | None = Field(
        default=None, ge=0, le=1, description="Relation score P(related); null unless the status is `ok`."
    )


class ReleaseName(_Wire):
    """The model release that made a result."""

    name: str = Field(description="Name of the release.")
    version: str = Field(description="Version of the release.")


class Source(_Wire):
    """Where the post stood in Kafka."""

    topic: str = Field(description="Topic of the record.")
    partition: int = Field(ge=0, description="Partition of the record.")
    offset: int = Field(ge=0, description="Offset of the record.")


class TaggedPost(_Wire):
    """The result for one post. Its record key is the key of the post's record."""

    id: str = Field(description="The post's id.")
    entities: tuple[Entity, ...] = Field(description="Entities in the order of the text; they never overlap.")
    relevance: float | None = Field(
        ge=0,
        le=1,
        description="Relation score of the post: the highest of its pictures; null without a usable picture.",
    )
    images: tuple[ImageRelation, ...] = Field(description="The post's pictures, in the post's order.")
    release: ReleaseName = Field(description="The model release that made this result.")
    source: Source = Field(description="Topic, partition and offset the post was read from.")
    processed_at: AwareDatetime = Field(description="When the worker finished it, RFC 3339, UTC.")
