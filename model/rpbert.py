"""RpBERT in one file, in the order of section 3 of the paper.

Sun, Wang, Zhang, Su, Weng: "RpBERT: A Text-image Relation Propagation-based BERT Model for Multimodal NER",
AAAI 2021, arXiv 2102.02967. Beyond it: a post may carry several pictures, each with its own relation score,
and a text longer than the encoder is read in windows. With one picture and one window it is the paper's.
"""

# No postponed annotations: the hub mixin reads the type of `config` from `__init__`.
from pathlib import Path
from typing import Final

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torch.nn import functional

from model import weights
from model.backbone import Backbone
from model.batch import Batch
from model.bilstm_crf import BiLstmCrf
from model.config import GateKind, GatePlace, RpBertConfig, WordVector
from model.encoder import Encoder
from model.gates import gate
from model.manifest import WEIGHTS
from model.recognition import Recognition
from model.surface_embedding import SurfaceEmbedding

_READ: Final = -1
"""In place of a window's number of open pictures: nothing of it is left to read."""


class RpBert(
    nn.Module,
    PyTorchModelHubMixin,
    library_name="rpbert-stream",
    pipeline_tag="token-classification",
    paper_url="https://arxiv.org/abs/2102.02967",
    coders={RpBertConfig: (lambda config: config.model_dump(mode="json"), RpBertConfig.model_validate)},
):
    """Picture and text in, relation scores and tag scores out; one encoder read twice."""

    def __init__(self, config: RpBertConfig) -> None:
        super().__init__()
        self.config = config
        self.vision = Backbone(config.vision)
        channels, hidden, rank = config.vision.channels, config.encoder.hidden, config.vision.class_rank
        self.project = nn.Linear(channels, hidden)
        self.recognition = Recognition(channels, hidden, rank) if rank else None
        self.encoder = Encoder(config.encoder)
        width = config.encoder.surface_width
        self.surface = SurfaceEmbedding(hidden, width) if width else None
        self.relation = nn.Linear(hidden, 2)
        self.tagger = BiLstmCrf(config)
        self.gumbel_temperature: float | None = None

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Both passes over a batch of posts.

        Returns:
            Relation logits `(pictures, 2)` and emission scores `(posts, words, tags)`.
        """
        text, blocks = self._embed(batch)
        first = self._first_pass(batch, text, blocks, rows=text.shape[1] if self._may_read_once else 1)
        logits = self._judge(first)
        gates = gate(logits, self.config.gate, temperature=self._temperature)
        known = first if self._may_read_once else None
        return logits, self._tag(batch, text, self._read(batch, text, blocks, gates, known))

    def relate(self, batch: Batch) -> Tensor:
        """Pass 1 alone: relation logits `(pictures, 2)`."""
        return self._judge(self._first_pass(batch, *self._embed(batch), rows=1))

    def relate_with_means(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Pass 1 to the end, for the hints of training (Romero et al. 2015).

        Returns:
            Relation logits `(pictures, 2)`, and the means over the text's rows and over the picture's blocks
            of the last layer, `(pictures, hidden)` each.
        """
        text, blocks = self._embed(batch)
        length = text.shape[1]
        first = self._first_pass(batch, text, blocks, rows=length + blocks.shape[1])
        mask = batch.text_mask[batch.first_windows[batch.picture_post]][..., None]
        texts = (first[:, :length] * mask).sum(dim=1) / mask.sum(dim=1)
        return self._judge(first), texts, first[:, length:].mean(dim=1)

    def read(self, batch: Batch, gates: Tensor) -> Tensor:
        """Pass 2 alone, behind given gates `(pictures,)`: `(windows, pieces, hidden)`."""
        return self._read(batch, *self._embed(batch), gates)

    def _embed(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Section 3.1: embedded word pieces, and projected visual blocks `(pictures, BLOCKS, hidden)`."""
        regions = batch.regions.to(self.project.weight.dtype)
        blocks = self.project(regions)
        if self.recognition is not None:
            blocks = blocks + self.recognition(regions)
        surface = None if self.surface is None else self.surface(batch)
        return self.encoder.embeddings.text(batch.ids, surface), blocks

    @property
    def _temperature(self) -> float | None:
        """That of the Gumbel gate in training; the copies that a run judges meanwhile take the argmax."""
        return self.gumbel_temperature if self.training else None

    @property
    def _may_read_once(self) -> bool:
        """Whether pass 2 may be what pass 1 has read already: where gates are 0 or 1, outside training.

        In training dropout makes two readings differ, and the gate's gradient comes through the second.
        """
        hard = self.config.gate is not GateKind.SOFT and self.config.gate_place is GatePlace.EMBEDDING
        return hard and not self.training and not torch.is_grad_enabled()

    def _judge(self, first: Tensor) -> Tensor:
        """Section 3.2: [CLS] of each (post, picture) pair judges how they relate, `(pictures, 2)`."""
        logits: Tensor = self.relation(first[:, 0])
        return logits

    def _first_pass(self, batch: Batch, text: Tensor, blocks: Tensor, rows: int) -> Tensor:
        """Pass 1: each picture beside the first window of its post, `(pictures, rows, hidden)`."""
        if not len(blocks):
            return text.new_zeros(0, rows, text.shape[2])
        window = batch.first_windows[batch.picture_post]
        embedded = self.encoder.embeddings.blocks(blocks[:, None], batch.lengths[window])
        open_gates = torch.ones(len(blocks), 1, device=blocks.device)
        first: Tensor = self.encoder(text[window], batch.text_mask[window], embedded, open_gates, rows=rows)
        return first

    def _read(
        self, batch: Batch, text: Tensor, blocks: Tensor, gates: Tensor, known: Tensor | None = None
    ) -> Tensor:
        """Pass 2, section 3.3: each window beside the gated blocks of its post's pictures.

        Windows with as many open pictures go together, so that a closed picture costs nothing. A gate on the
        projection leaves every picture open.

        Args:
            batch: the posts.
            text: `(windows, pieces, hidden)` embedded.
            blocks: `(pictures, BLOCKS, hidden)` projected.
            gates: `(pictures,)`.
            known: `(pictures, pieces, hidden)` what pass 1 read of each text: where a post's first window
                has one open picture, and its gate is 1, pass 2 would read the same again.

        Returns:
            `(windows, pieces, hidden)`.
        """
        if self.config.gate_place is GatePlace.PROJECTION:
            blocks, gates = blocks * gates[:, None, None], torch.ones_like(gates)
        slots = batch.slots[batch.window_post]
        # Slot -1, no picture, reads the 0 put at the end.
        slot_gates = functional.pad(gates, (0, 1))[slots]
        # Open pictures to the front, in the post's order.
        order = (slot_gates == 0).to(torch.uint8).argsort(dim=1, stable=True)
        slots, slot_gates = slots.gather(1, order), slot_gates.gather(1, order)
        counts = (slot_gates != 0).sum(dim=1)
        read = torch.zeros_like(text)
        # Served, the gate is 0 or 1; what trains for it has to tend to what it is there.
        relaxed = self.config.gate is GateKind.GUMBEL and self._temperature is not None
        if known is not None and len(known):
            once = (counts == 1) & (slot_gates[:, 0] == 1)
            once &= batch.first_windows[batch.window_post] == torch.arange(len(once), device=once.device)
            read[once] = known[slots[once, 0]].to(read.dtype)
            counts = counts.masked_fill(once, _READ)
        for count in sorted(set(counts.tolist()) - {_READ}):
            rows = (counts == count).nonzero()[:, 0]
            embedded = self.encoder.embeddings.blocks(blocks[slots[rows, :count]], batch.lengths[rows])
            part = self.encoder(
                text[rows],
                batch.text_mask[rows],
                embedded,
                slot_gates[rows, :count],
                rows=text.shape[1],
                fade=relaxed,
            )
            read = read.index_copy(0, rows, part)
        return read

    def _tag(self, batch: Batch, text: Tensor, read: Tensor) -> Tensor:
        """Section 3.4: input embedding and output of each word, through the tagger."""
        pieces = torch.cat((text, read), dim=-1) if self.config.tagger.input_embedding else read
        vectors = self._words(pieces.flatten(0, 1), batch)
        with torch.autocast(vectors.device.type, enabled=False):
            emissions: Tensor = self.tagger(vectors.float(), batch)
        return emissions

    def _words(self, pieces: Tensor, batch: Batch) -> Tensor:
        """A vector a word: `(windows x pieces, width)` to `(posts, words, width)`."""
        if self.config.tagger.word_vector is WordVector.FIRST_PIECE:
            return pieces[batch.places]
        counts = batch.piece_counts[..., None]
        piece = torch.arange(int(counts.max()), device=counts.device)
        inside = piece < counts
        vectors = pieces[torch.where(inside, batch.places[..., None] + piece, 0)]
        return (vectors * inside[..., None]).sum(dim=2) / counts

    def tagging_loss(self, emissions: Tensor, tags: Tensor, word_counts: Tensor) -> Tensor:
        """Negative log likelihood of the gold paths, mean over posts.

        Args:
            emissions: `(posts, words, tags)`.
            tags: `(posts, words)` gold tag indices.
            word_counts: `(posts,)`.
        """
        mask = torch.arange(tags.shape[1], device=tags.device) < word_counts.to(tags.device)[:, None]
        likelihood: Tensor = self.tagger.crf(emissions, tags, mask=mask, reduction="mean")
        return -likelihood

    def _save_pretrained(self, save_directory: Path) -> None:
        weights.save(self, save_directory / WEIGHTS)
