"""The tagger: a biLSTM and a CRF over the words of a post (paper, section 3.4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torchcrf import CRF

from model.batch import Batch
from model.config import RpBertConfig
from model.crf import FORBIDDEN, bio_masks
from model.surface import Shape
from model.surface_embedding import CharacterConvolution


class BiLstmCrf(nn.Module):
    """Scores the tags of every word; in fp32 whatever the encoder runs in."""

    def __init__(self, config: RpBertConfig) -> None:
        super().__init__()
        sizes = config.tagger
        vectors = 2 if sizes.input_embedding else 1
        width = vectors * config.encoder.hidden + sizes.shape_width + sizes.character_width
        self.shapes, self.characters = None, None
        if sizes.shape_width:
            self.shapes = nn.Embedding(len(Shape), sizes.shape_width, padding_idx=0)
        if sizes.character_width:
            self.characters = CharacterConvolution(sizes.character_width)
        self.dropout = nn.Dropout(sizes.dropout)
        self.lstm = nn.LSTM(width, sizes.lstm_hidden, sizes.lstm_layers, batch_first=True, bidirectional=True)
        self.scores = nn.Linear(2 * sizes.lstm_hidden, len(config.tags))
        self.crf = CRF(len(config.tags), batch_first=True)
        # Forbidden from the first step: the likelihood in training is the one that serves.
        starts, follows = bio_masks(config.tags)
        with torch.no_grad():
            self.crf.start_transitions.masked_fill_(~starts, FORBIDDEN)
            self.crf.transitions.masked_fill_(~follows, FORBIDDEN)

    def forward(self, vectors: Tensor, batch: Batch) -> Tensor:
        """Emission scores.

        Args:
            vectors: `(posts, words, 2 x hidden)`: input embedding and RpBERT output of each word, or
                `(posts, words, hidden)`: its output alone.
            batch: the posts.

        Returns:
            `(posts, words, tags)`.
        """
        features = [vectors]
        if self.shapes is not None:
            features.append(self.shapes(batch.shapes))
        if self.characters is not None:
            features.append(self.characters(batch.characters))
        packed = pack_padded_sequence(
            self.dropout(torch.cat(features, dim=-1)),
            batch.word_counts,
            batch_first=True,
            enforce_sorted=False,
        )
        states, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=vectors.shape[1])
        scores: Tensor = self.scores(self.dropout(states))
        return scores
