"""What a post costs the model by the length of its text, and by how many pictures it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from time import perf_counter
from typing import Final

import numpy as np

from bench.figures import Key
from bench.posts import Posts
from bench.workload import some_pixels
from model.inference import Tagger, TagRequest
from schemas import MAX_IMAGES

_UNIT: Final = "ms a post"
_WORDS: Final = (4, 16, 64, 256)
_USUAL_WORDS: Final = 16
_BATCH: Final = 16
_SEED: Final = 1


class LengthsAndPictures:
    """`small` and posts of one kind at a time, in batches; the features of their pictures are at hand."""

    def __init__(self) -> None:
        self._tagger = Tagger.load("small")
        self.dtype: Final = self._tagger.dtype
        self._features = tuple(
            np.copy(each) for each in self._tagger.describe(some_pixels(MAX_IMAGES, _SEED))
        )

    def runs(self) -> list[Callable[[], Mapping[Key, float]]]:
        """Texts from a few words to more than one window; pictures from none to the most."""
        return [
            *(partial(self._run, f"a text of {words} words, one picture", words, 1) for words in _WORDS),
            *(
                partial(self._run, f"{count} pictures, {_USUAL_WORDS} words", _USUAL_WORDS, count)
                for count in range(MAX_IMAGES + 1)
            ),
        ]

    def _run(self, name: str, words: int, pictures: int) -> Mapping[Key, float]:
        posts = Posts(words=words, seed=_SEED)
        requests = [
            TagRequest(self._tagger.prepare(posts.text(number)), self._features[:pictures])
            for number in range(_BATCH)
        ]
        began = perf_counter()
        self._tagger.tag(requests)
        return {(name, _UNIT): (perf_counter() - began) / _BATCH * 1e3}
