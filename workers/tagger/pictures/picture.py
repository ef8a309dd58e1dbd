"""A picture of a post, had or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas import ImageStatus

Pixels = npt.NDArray[np.uint8]
Features = npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What became of one URL of a post.

    With status `ok` exactly one of `pixels` and `features` is there; with any other status neither is.

    Attributes:
        url: the URL as the post gave it.
        status: `ok`, or why there is no picture.
        content: SHA-256 of the picture's bytes, in hex.
        pixels: `(224, 224, 3)`, read-only, when the picture was decoded now.
        features: `(49, channels)`, read-only, when the cache had them.
    """

    url: str
    status: ImageStatus
    content: str | None = None
    pixels: Pixels | None = None
    features: Features | None = None


class NoPicture(Exception):
    """A URL that leads to no picture, and why; carries no text of a library's or a stranger's."""

    def __init__(self, status: ImageStatus) -> None:
        super().__init__(status.value)
        self.status = status
