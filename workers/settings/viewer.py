"""Settings of the live page."""

from __future__ import annotations

import re

from cyclopts import Parameter
from pydantic import AnyHttpUrl, Field, SecretStr, model_validator

from workers.settings.base import HEADER_TEXT, Settings
from workers.settings.kafka import KafkaSettings
from workers.settings.pictures import PictureSettings
from workers.settings.releases import ModelSettings


@Parameter(name="*")
class ViewerSettings(Settings):
    """Settings of `rpbert viewer`."""

    kafka: KafkaSettings = KafkaSettings()
    model: ModelSettings = ModelSettings()
    pictures: PictureSettings = PictureSettings(redis_url=None)
    group_id: str = Field(
        "rpbert-tagger", min_length=1, description="Consumer group of the workers, for the lag."
    )
    viewer_host: str = Field("127.0.0.1", min_length=1, description="Address of the page.")
    viewer_port: int = Field(9_480, ge=0, le=65_535, description="Port of the page; 0 takes a free one.")
    viewer_url: AnyHttpUrl | None = Field(
        None,
        description="URL under which browsers and workers reach the page, if another than its address; "
        "workers fetch from there the pictures of posts that were written on the page.",
    )
    viewer_token: SecretStr | None = Field(
        None,
        description="Token that a browser must give to write or correct; better given by the environment "
        "than as a flag. Needed where the page is not on this machine's loopback alone.",
    )
    history: int = Field(
        500, ge=1, le=5_000, description="Posts kept in memory, and shown to who opens the page."
    )
    max_viewers: int = Field(100, ge=1, description="Browsers that follow at a time.")
    hide_pictures: bool = Field(False, description="Fetch and show no pictures.")
    attention: bool = Field(
        False, description="Load the release, and show what entities attend to in pictures."
    )
    allow_posts: bool = Field(False, description="Let the page write posts to the input topic.")
    allow_corrections: bool = Field(
        False, description="Let the page write corrections to the annotation topic."
    )

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches the page."""
        return self.viewer_host in {"127.0.0.1", "localhost"}

    @model_validator(mode="after")
    def _writers_are_known(self) -> ViewerSettings:
        if (self.allow_posts or self.allow_corrections) and not self.is_local and self.viewer_token is None:
            raise ValueError(
                f"viewer_host {self.viewer_host} lets others than this machine write to Kafka: set "
                "RPBERT_VIEWER_TOKEN, or leave out allow_posts and allow_corrections"
            )
        return self

    @model_validator(mode="after")
    def _token_fits_a_header(self) -> ViewerSettings:
        token = None if self.viewer_token is None else self.viewer_token.get_secret_value()
        if token is not None and not re.match(HEADER_TEXT, token):
            raise ValueError("viewer_token must be printable ASCII and not empty: it travels in a header")
        return self

    @model_validator(mode="after")
    def _attention_needs_pictures(self) -> ViewerSettings:
        if self.attention and self.hide_pictures:
            raise ValueError("attention is shown over pictures, and hide_pictures leaves them out: drop one")
        return self
