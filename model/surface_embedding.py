"""Word shape and characters as vectors: what an uncased vocabulary has forgotten, given back."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from model.batch import Batch
from model.surface import CHARACTER_CODES, Shape

_CHARACTER_EMBEDDING = 32


class CharacterConvolution(nn.Module):
    """What the letters of a word say: a convolution over them, its maximum kept."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(CHARACTER_CODES, _CHARACTER_EMBEDDING, padding_idx=0)
        self.convolution = nn.Conv1d(_CHARACTER_EMBEDDING, width, kernel_size=3, padding=1)

    def forward(self, characters: Tensor) -> Tensor:
        """`(posts, words, WORD_CHARACTERS)` codes to `(posts, words, width)`."""
        posts, words, _ = characters.shape
        letters = self.embedding(characters.flatten(0, 1)).transpose(1, 2)
        read: Tensor = self.convolution(letters).relu().amax(dim=2)
        return read.view(posts, words, read.shape[1])


class SurfaceEmbedding(nn.Module):
    """What is added to the input embedding of every piece of a word, for its shape and characters.

    Begins at 0, so that training starts from the pretrained encoder as it is.
    """

    def __init__(self, hidden: int, width: int) -> None:
        super().__init__()
        self.shapes = nn.Embedding(len(Shape), hidden, padding_idx=0)
        self.characters = CharacterConvolution(width)
        self.widen = nn.Linear(width, hidden)
        for weight in (self.shapes.weight, self.widen.weight, self.widen.bias):
            nn.init.zeros_(weight)

    def forward(self, batch: Batch) -> Tensor:
        """What to add to each word piece, `(windows, pieces, hidden)`; 0 where there is no word."""
        words = self.shapes(batch.shapes) + self.widen(self.characters(batch.characters))
        # The index behind the last word, no word, reads the 0 put at the end.
        padded: Tensor = functional.pad(words.flatten(0, 1), (0, 0, 0, 1))
        return padded[batch.piece_words]
