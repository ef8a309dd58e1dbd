"""What must not be trained on, because it would tell what the held-out captions are asked about."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Final

from model.alignment.sentences import SentenceVectors
from model.data.captioned import CaptionedPicture

TOO_CLOSE: Final = 0.6
"""Cosine of sentence vectors from which two texts speak of the same."""

_WORD: Final = re.compile(r"[^\W\d_]{3,}")


class HeldOut:
    """Captions and concepts that are held out."""

    def __init__(self, pictures: Sequence[CaptionedPicture], sentences: SentenceVectors) -> None:
        self._sentences = sentences
        self._captions = sentences.of([picture.caption for picture in pictures])
        names = (PurePath(picture.concept).name for picture in pictures)
        self._names = {word for name in names for word in _words(name)}

    def given_away_by(self, texts: Sequence[str]) -> list[bool]:
        """Whether each text is too close to a held-out caption, or names a held-out folder."""
        close = (self._sentences.of(texts) @ self._captions.T).amax(dim=1) >= TOO_CLOSE
        return [
            near or not self._names.isdisjoint(_words(text))
            for text, near in zip(texts, close.tolist(), strict=True)
        ]


def _words(text: str) -> set[str]:
    """Words of three letters or more; one and many are the same."""
    return {word.removesuffix("s") for word in _WORD.findall(text.lower())}
