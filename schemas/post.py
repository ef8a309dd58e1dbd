"""A post as its producer writes it to `posts.raw`."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

MAX_IMAGES: Final = 4
# Facebook takes 63,206 characters, the longest post of any large network.
MAX_TEXT_CHARACTERS: Final = 65_536
# Longer than any browser sends; whether it is a URL at all is the picture's matter, not the post's.
MAX_URL_CHARACTERS: Final = 8_192

ImageUrl = Annotated[str, StringConstraints(max_length=MAX_URL_CHARACTERS)]


class Post(BaseModel):
    """One post, text and up to four picture URLs.

    Types are strict: a number is not taken for a string. Unknown fields are ignored, so that a producer
    may add its own. A URL is only held here, not judged: a post is never lost to its picture.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    id: str = Field(
        min_length=1,
        max_length=512,
        description="The producer's name for the post, repeated in the result.",
        examples=["1849"],
    )
    text: str = Field(
        max_length=MAX_TEXT_CHARACTERS,
        description="The text as the author wrote it; an empty one comes out with no entities.",
        examples=["Anita Borg speaks in Lisbon tonight"],
    )
    image_urls: tuple[ImageUrl, ...] | None = Field(
        default=None,
        max_length=MAX_IMAGES,
        description=f"http or https URLs of the post's pictures, at most {MAX_IMAGES}.",
        examples=[["https://images.example/lisbon.jpg"]],
    )
    image_url: ImageUrl | None = Field(
        default=None, description="A single picture's URL; give this or `image_urls`, not both."
    )
    created_at: AwareDatetime | None = Field(
        default=None, description="When the author posted it, RFC 3339 with an offset."
    )
    lang: str | None = Field(default=None, max_length=35, description="BCP 47 tag of the text's language.")
    author_id: str | None = Field(default=None, max_length=512, description="Who wrote it.")

    @model_validator(mode="after")
    def _one_way_to_give_pictures(self) -> Self:
        if self.image_url is not None and self.image_urls:
            raise ValueError("give image_url or image_urls, not both")
        return self

    @property
    def pictures(self) -> tuple[str, ...]:
        """The URLs of the post's pictures, however the producer gave them."""
        if self.image_url is not None:
            return (self.image_url,)
        return self.image_urls or ()
