"""Posts cut into words with character offsets, and words into word pieces and windows.

The `tokenizers` library cuts; a word is a mention, a hashtag, a URL, an emoji with all its joiners and
modifiers, a number, an ideograph, a run of letters with their marks, or a mark of punctuation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Regex, Tokenizer, pre_tokenizers

from model import surface

MAX_PIECES_PER_WORD: Final = 32
"""Pieces of a word that are read: the tail of an endless URL says nothing."""

# What is known of a word is kept, up to 15 MB: four of five words of a tweet have been in an earlier one.
_KEPT_WORDS: Final = 32_768
_KEPT_CHARACTERS: Final = 64

_PICTOGRAPH: Final = (
    r"\p{Extended_Pictographic}(?:\p{Emoji_Modifier}|[\x{FE0E}\x{FE0F}]\x{20E3}?)?[\x{E0020}-\x{E007F}]*"
)
# Scripts that put no space between words: an ideograph is a word, the other scripts stay in one run.
_SPACELESS: Final = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_LETTER: Final = rf"[\w&&[^{_SPACELESS}]]"
_WORD: Final = "|".join(
    (
        r"(?i:https?://|www\.)[!-~&&[^<>\"]]*[A-Za-z0-9/=&\#%~_+\-]",
        # Bounded as RFC 5321 bounds it: without that, a long run of letters costs its square.
        r"[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,63})+",
        r"(?<!\w)[@＠]\w+",  # noqa: RUF001 - the full-width sign is meant
        r"(?<!\w)[\#＃](?=\w*[\p{L}\p{M}_])[\w\x{200C}\x{200D}]+",  # noqa: RUF001 - likewise
        r"[0-9\#*]\x{FE0F}?\x{20E3}",
        r"\p{Regional_Indicator}{2}",
        rf"{_PICTOGRAPH}(?:\x{{200D}}{_PICTOGRAPH})*",
        r"\p{Nd}+(?:[.,:/]\p{Nd}+)+",
        r"\p{Han}\p{M}*",
        r"[\p{Hiragana}\p{Katakana}\x{30FC}]+\p{M}*",
        r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]+",
        rf"{_LETTER}(?:{_LETTER}|[\x{{200C}}\x{{200D}}])*",
        r"([!?.\x{2026}])\1+",
        r"(?!\s)\X",
    )
)
_CUT: Final = pre_tokenizers.Split(Regex(_WORD), behavior="removed", invert=True)
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class Word(NamedTuple):
    """A word of a text: `word.text == text[word.start:word.end]`, offsets in code points."""

    text: str
    start: int
    end: int


class _Known(NamedTuple):
    """What a word is for the network, wherever it stands: its pieces, shape class and character codes."""

    pieces: tuple[int, ...]
    shape: int
    characters: bytes


@dataclass(frozen=True, slots=True)
class PreparedText:
    """A text made ready for the network; made on any thread, read by one.

    Attributes:
        text: The text itself.
        words: Its words, in order.
        windows: Word-piece ids of each window, [CLS] first and [SEP] last; one at least.
        places: `(words, 2)`: the window, and the piece in it, where each word begins as it is read.
        piece_counts: `(words,)` word pieces of each word, all in that window.
        shapes: `(words,)` word-shape classes.
        characters: `(words, WORD_CHARACTERS)` character codes.
    """

    text: str
    words: tuple[Word, ...]
    windows: tuple[npt.NDArray[np.int64], ...]
    places: npt.NDArray[np.int64]
    piece_counts: npt.NDArray[np.int64]
    shapes: npt.NDArray[np.uint8]
    characters: npt.NDArray[np.uint8]

    @property
    def length(self) -> int:
        """Word pieces with specials, of all windows: what the text costs."""
        return sum(len(window) for window in self.windows)


def cut(text: str) -> tuple[Word, ...]:
    """Cut a text into its words; white space belongs to none."""
    # A lone surrogate has no UTF-8; its place is kept by a character that has.
    encodable = _LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
    spans = (span for _, span in _CUT.pre_tokenize_str(encodable))
    return tuple(Word(text[start:end], start, end) for start, end in spans)


def plain(tokenizer: Tokenizer) -> Tokenizer:
    """One that takes texts as they are, neither cut nor padded: the same if it does so already; or a copy."""
    # "[SEP]" in a post is five characters, not the end of its text.
    if tokenizer.truncation is None and tokenizer.padding is None and tokenizer.encode_special_tokens:
        return tokenizer
    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.no_truncation()
    copy.no_padding()
    copy.encode_special_tokens = True
    return copy


class WordPieces:
    """A WordPiece vocabulary and the windows that its encoder can read."""

    def __init__(self, tokenizer: Tokenizer, *, window: int, overlap: int) -> None:
        self.tokenizer = plain(tokenizer)
        self._cls = self._id("[CLS]")
        self._sep = self._id("[SEP]")
        self._unknown = self._id("[UNK]")
        self.mask = self._id("[MASK]")
        self.specials = (self._id("[PAD]"), self._cls, self._sep, self._unknown)
        self._room = window - 2
        self._word_room = min(MAX_PIECES_PER_WORD, self._room)
        self._overlap = overlap
        self._known = lru_cache(_KEPT_WORDS)(self._know)

    def prepare(self, text: str) -> PreparedText:
        """Cut a text into words, word pieces and windows."""
        return self._prepare(text, cut(text))

    def prepare_words(self, words: Sequence[str]) -> PreparedText:
        """The same for a text that comes in words, as data sets do; joined by single spaces."""
        ends = np.cumsum([len(word) + 1 for word in words]) - 1
        cut_words = tuple(
            Word(word, int(end) - len(word), int(end)) for word, end in zip(words, ends, strict=True)
        )
        return self._prepare(" ".join(words), cut_words)

    def _prepare(self, text: str, words: tuple[Word, ...]) -> PreparedText:
        known = [
            self._known(word.text) if len(word.text) <= _KEPT_CHARACTERS else self._know(word.text)
            for word in words
        ]
        counts = [len(each.pieces) for each in known]
        spans = window_spans(counts, room=self._room, overlap=self._overlap)
        windows = tuple(
            np.array(
                [self._cls, *(piece for each in known[a:b] for piece in each.pieces), self._sep], np.int64
            )
            for a, b in spans
        )
        characters = np.frombuffer(bytearray(b"".join(each.characters for each in known)), np.uint8)
        return PreparedText(
            text=text,
            words=words,
            windows=windows,
            places=_places(counts, spans),
            piece_counts=np.array(counts, np.int64),
            shapes=np.array([each.shape for each in known], np.uint8),
            characters=characters.reshape(len(words), surface.WORD_CHARACTERS),
        )

    def _know(self, word: str) -> _Known:
        return _Known(self._pieces(word), surface.shape(word), surface.characters(word))

    def _pieces(self, word: str) -> tuple[int, ...]:
        """Piece ids of a word: one at least, `MAX_PIECES_PER_WORD` at most."""
        encodable = _LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", word)
        encoding = self.tokenizer.encode([encodable], is_pretokenized=True, add_special_tokens=False)
        return tuple(encoding.ids[: self._word_room]) or (self._unknown,)

    def _id(self, token: str) -> int:
        found = self.tokenizer.token_to_id(token)
        if found is None:
            raise ValueError(f"the tokenizer has no {token}: it is not a BERT vocabulary")
        return int(found)


def window_spans(pieces: Sequence[int], *, room: int, overlap: int) -> list[tuple[int, int]]:
    """Word ranges, end exclusive, of the windows over words of so many pieces each.

    A window holds whole words of at most `room` pieces; its neighbour repeats at most `overlap` of them.
    """
    if sum(pieces) <= room:
        return [(0, len(pieces))]
    ends = np.cumsum(pieces, dtype=np.int64)
    starts = ends - np.asarray(pieces, np.int64)
    spans = [(0, int(np.searchsorted(ends, room, side="right")))]
    while (behind := spans[-1][1]) < len(pieces):
        # As much of the last window as is wanted, as far as the next word still fits behind it.
        shared = max(ends[behind - 1] - overlap, ends[behind] - room)
        first = int(np.searchsorted(starts, shared))
        spans.append((first, int(np.searchsorted(ends, starts[first] + room, side="right"))))
    return spans


def _places(pieces: Sequence[int], spans: Sequence[tuple[int, int]]) -> npt.NDArray[np.int64]:
    """Where each word is read: in the window where it stands farthest from an edge that cuts the text."""
    places = np.zeros((len(pieces), 2), np.int64)
    if len(spans) == 1:
        places[:, 1] = list(accumulate(pieces[:-1], initial=1))[: len(pieces)]
        return places
    ends = np.cumsum(pieces, dtype=np.int64)
    starts = ends - np.asarray(pieces, np.int64)
    margins = np.full(len(pieces), -1, np.int64)
    far = int(ends[-1])
    for window, (a, b) in enumerate(spans):
        inside = slice(a, b)
        left = starts[inside] - starts[a] if window else far
        right = ends[b - 1] - ends[inside] if window + 1 < len(spans) else far
        margin = np.minimum(left, right)
        better = margin > margins[inside]
        margins[inside][better] = np.broadcast_to(margin, better.shape)[better]
        places[inside][better] = np.column_stack(
            (np.full(b - a, window), starts[inside] - starts[a] + 1)  # 1 for [CLS]
        )[better]
    return places
