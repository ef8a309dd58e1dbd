"""The features of fresh pictures: each content computed once, however many posts have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from workers.tagger.pictures.picture import Features, Picture


class Backbone(Protocol):
    """What sees; `model.inference.Tagger` is one."""

    def describe(self, pixels: npt.NDArray[np.uint8]) -> Features:
        """Block features of pictures: `(n, 224, 224, 3)` to `(n, 49, channels)`."""


def describe(backbone: Backbone, posts: Sequence[Sequence[Picture]]) -> list[tuple[Picture, ...]]:
    """Give every freshly decoded picture its features, each content computed once for all posts."""
    fresh = {
        picture.content: picture.pixels
        for pictures in posts
        for picture in pictures
        if picture.pixels is not None
    }
    if not fresh:
        return [tuple(pictures) for pictures in posts]
    features = dict(zip(fresh, backbone.describe(np.stack(list(fresh.values()))), strict=True))
    return [
        tuple(
            picture
            if picture.pixels is None
            else replace(picture, features=features[picture.content], pixels=None)
            for picture in pictures
        )
        for pictures in posts
    ]
