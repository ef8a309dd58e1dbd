"""Pictures to measure with: the sample pictures, each cut and mirrored anew, so that no two are alike."""

from __future__ import annotations

import io
from itertools import cycle
from typing import Final

import numpy as np
from PIL import Image, ImageOps

from model.pictures import MEDIA_TYPES
from workers.local.samples import picture_bytes, picture_names

FORMATS: Final = tuple(media_type.removeprefix("image/").upper() for media_type in MEDIA_TYPES)
"""The formats that the worker takes here, by Pillow's names."""

_SIDE: Final = 480
_MARGIN: Final = 40
_QUALITY: Final = 85


def distinct_pictures(count: int, seed: int) -> list[Image.Image]:
    """Pictures of 480 x 480."""
    random, pictures = np.random.default_rng(seed), []
    for name, _ in zip(cycle(picture_names()), range(count), strict=False):
        with Image.open(io.BytesIO(picture_bytes(name))) as image:
            left, top = random.integers(_MARGIN, size=2).tolist()
            box = (left, top, image.width - _MARGIN, image.height - _MARGIN)
            cut = ImageOps.fit(image.convert("RGB").crop(box), (_SIDE, _SIDE))
        pictures.append(ImageOps.mirror(cut) if random.integers(2) else cut)
    return pictures


def encoded(picture: Image.Image, form: str) -> bytes:
    """The picture's file in one of `FORMATS`."""
    file = io.BytesIO()
    picture.save(file, form, quality=_QUALITY)
    return file.getvalue()
