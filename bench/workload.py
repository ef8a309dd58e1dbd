"""Posts to measure a model with: as long as those of a real set, each with a picture."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from bench.picture_bodies import distinct_pictures, encoded
from model.pictures import decode

SHORTEST: Final = 7
"""Word pieces, with [CLS] and [SEP], of the shortest post in `LENGTHS`."""

# fmt: off
LENGTHS: Final = (
    5, 23, 46, 48, 86, 107, 156, 155, 190, 238, 195, 219, 224, 207, 176, 188, 171, 145, 128, 115, 89, 72, 114,
    77, 47, 40, 36, 19, 12, 12, 13, 5, 7, 1, 3, 0, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
)
# fmt: on
"""How many posts of Twitter-2017's train split have `SHORTEST` word pieces, one more, and so on: mean 20."""

_SPECIALS: Final = 2


def some_texts(tokenizer: Tokenizer, count: int, seed: int) -> list[str]:
    """Texts of lengths drawn from `LENGTHS`, of words that are one word piece each.

    More words than a tweet of that length has, so the tagger has rather more to do.
    """
    random = np.random.default_rng(seed)
    words = sorted(word for word in tokenizer.get_vocab() if word.isascii() and word.isalpha())
    shares = np.array(LENGTHS) / sum(LENGTHS)
    lengths = SHORTEST + random.choice(len(LENGTHS), size=count, p=shares)
    return [" ".join(random.choice(words, size=length - _SPECIALS)) for length in lengths]


def some_pixels(count: int, seed: int) -> npt.NDArray[np.uint8]:
    """Pictures as the backbone takes them, `(count, 224, 224, 3)`."""
    return np.stack([decode(encoded(picture, "JPEG")) for picture in distinct_pictures(count, seed)])
