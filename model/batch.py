"""Texts and pictures laid side by side as tensors; training and serving lay them the same way."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.config import BLOCKS
from model.surface import WORD_CHARACTERS
from model.words import PreparedText


@dataclass(frozen=True, slots=True)
class Batch:
    """Posts for the network.

    A post has one window or more and no picture or more. Windows and pictures of all posts stand in one
    axis each; words stand by post.

    Attributes:
        ids: `(windows, pieces)` word-piece ids, 0 pads.
        lengths: `(windows,)` word pieces of each window, with specials.
        window_post: `(windows,)` the post of each window.
        first_windows: `(posts,)` the window that each post begins with.
        places: `(posts, words)` where a word's first piece stands in the flattened `(windows, pieces)`.
        piece_counts: `(posts, words)` word pieces of each word, 1 where there is none.
        piece_words: `(windows, pieces)` the word that each piece is of, in the flattened `(posts, words)`;
            posts x words where it is of none, or of one that is read in another window.
        word_counts: `(posts,)` words of each post, 1 where there is none; stays on the CPU.
        shapes: `(posts, words)` word-shape classes.
        characters: `(posts, words, WORD_CHARACTERS)` character codes.
        regions: `(pictures, BLOCKS, channels)` block regions, fp16; training may read fewer of each.
        picture_post: `(pictures,)` the post of each picture.
        slots: `(posts, most pictures)` the pictures of each post, -1 where there are fewer.
    """

    ids: Tensor
    lengths: Tensor
    window_post: Tensor
    first_windows: Tensor
    places: Tensor
    piece_counts: Tensor
    piece_words: Tensor
    word_counts: Tensor
    shapes: Tensor
    characters: Tensor
    regions: Tensor
    picture_post: Tensor
    slots: Tensor

    def to(self, device: torch.device) -> Batch:
        """The batch on a device; `word_counts` stays, packing wants it on the CPU."""
        moved = {
            field.name: getattr(self, field.name).to(device, non_blocking=True)
            for field in dataclasses.fields(self)
            if field.name != "word_counts"
        }
        return dataclasses.replace(self, **moved)

    def with_ids(self, ids: Tensor) -> Batch:
        """The same posts with other word pieces in the same places."""
        return dataclasses.replace(self, ids=ids)

    @property
    def text_mask(self) -> Tensor:
        """`(windows, pieces)`, true where there is a word piece."""
        return torch.arange(self.ids.shape[1], device=self.ids.device) < self.lengths[:, None]


def collate(
    texts: Sequence[PreparedText], pictures: Sequence[Sequence[npt.NDArray[np.float16]]], *, channels: int
) -> Batch:
    """Lay out posts, each a text and the block regions `(BLOCKS, channels)` of its pictures."""
    windows = [window for text in texts for window in text.windows]
    lengths = np.array([len(window) for window in windows])
    ids = np.zeros((len(windows), lengths.max()), np.int64)
    for row, window in zip(ids, windows, strict=True):
        row[: len(window)] = window
    window_counts = [len(text.windows) for text in texts]
    first_windows = np.cumsum([0, *window_counts[:-1]])

    words = max(1, *(len(text.words) for text in texts)) if texts else 1
    places = np.zeros((len(texts), words), np.int64)
    piece_counts = np.ones((len(texts), words), np.int64)
    piece_words = np.full(ids.size, len(texts) * words)
    shapes = np.zeros((len(texts), words), np.int64)
    characters = np.zeros((len(texts), words, WORD_CHARACTERS), np.int64)
    for row, (text, first) in enumerate(zip(texts, first_windows, strict=True)):
        count = len(text.words)
        places[row, :count] = (first + text.places[:, 0]) * ids.shape[1] + text.places[:, 1]
        piece_counts[row, :count] = text.piece_counts
        # Each word's pieces stand one behind the other.
        within = np.arange(text.piece_counts.sum()) - np.repeat(
            np.cumsum(text.piece_counts) - text.piece_counts, text.piece_counts
        )
        piece_words[np.repeat(places[row, :count], text.piece_counts) + within] = np.repeat(
            row * words + np.arange(count), text.piece_counts
        )
        shapes[row, :count] = text.shapes
        characters[row, :count] = text.characters

    picture_counts = [len(regions) for regions in pictures]
    picture_post = np.repeat(np.arange(len(texts)), picture_counts)
    slots = np.full((len(texts), max(picture_counts, default=0)), -1)
    slots[np.arange(slots.shape[1]) < np.array(picture_counts)[:, None]] = np.arange(len(picture_post))
    flat = [region for regions in pictures for region in regions]
    regions = np.stack(flat) if flat else np.zeros((0, BLOCKS, channels), np.float16)
    return Batch(
        ids=torch.from_numpy(ids),
        lengths=torch.from_numpy(lengths),
        window_post=torch.from_numpy(np.repeat(np.arange(len(texts)), window_counts)),
        first_windows=torch.from_numpy(first_windows),
        places=torch.from_numpy(places),
        piece_counts=torch.from_numpy(piece_counts),
        piece_words=torch.from_numpy(piece_words.reshape(ids.shape)),
        word_counts=torch.tensor([max(1, len(text.words)) for text in texts]),
        shapes=torch.from_numpy(shapes),
        characters=torch.from_numpy(characters),
        regions=torch.from_numpy(regions),
        picture_post=torch.from_numpy(picture_post),
        slots=torch.from_numpy(slots),
    )
