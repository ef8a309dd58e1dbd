"""The function that every peer calls."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from model.inference import Tagger, TagRequest
from schemas import Post


class TagFunction:
    """From the bytes of posts to the bytes of their results: the model of `rpbert worker`, `small`.

    It is spared what the worker does about pictures: the features of all of them are at hand, by URL.
    """

    def __init__(self, features: Path) -> None:
        """Load the release, warm.

        Args:
            features: an `.npz` file, `(BLOCKS, channels)` by URL.
        """
        self._tagger = Tagger.load("small")
        self._tagger.warm_up()
        with np.load(features) as read:
            self._features = {url: read[url] for url in read.files}

    def __call__(self, values: Sequence[bytes]) -> list[bytes]:
        """As many out as in; of several at once the network makes one batch, padded to the longest."""
        posts = [Post.model_validate_json(value) for value in values]
        taggings = self._tagger.tag(
            [
                TagRequest(
                    self._tagger.prepare(post.text), tuple(self._features[url] for url in post.pictures)
                )
                for post in posts
            ]
        )
        return [
            json.dumps(
                {
                    "id": post.id,
                    "entities": [entity.model_dump(mode="json") for entity in tagging.entities],
                    "relevance": max(tagging.relevance, default=None),
                }
            ).encode()
            for post, tagging in zip(posts, taggings, strict=True)
        ]
