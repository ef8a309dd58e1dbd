"""BERT's embeddings and layers (Devlin et al. 2019), with the two ways that RpBERT's passes read them.

Ours rather than a library's, because a pass needs only some rows of the last layer: pass 1 reads [CLS],
pass 2 the text. `from_bert` maps the parameter names of Hugging Face's `BertModel`.
"""

from __future__ import annotations

import math
import re
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.config import EncoderConfig
from model.packed import PackedLinear
from model.unpadded import Unpadded

TEXT_SEGMENT: Final = 0
VISUAL_SEGMENT: Final = 1

_FAINTEST: Final = 1e-9
"""Gate below which attention fades no further: the gradient of the logarithm of 0 is no number."""


class Embeddings(nn.Module):
    """Word piece or visual block + segment + position, normalised (paper, section 3.1)."""

    visual_offsets: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.words = nn.Embedding(config.vocab_size, config.hidden, padding_idx=0)
        self.positions = nn.Embedding(config.max_positions, config.hidden)
        self.segments = nn.Embedding(config.type_vocab, config.hidden)
        self.norm = nn.LayerNorm(config.hidden, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.dropout)
        self.register_buffer("visual_offsets", torch.arange(config.visual_length), persistent=False)

    def text(self, ids: Tensor, surface: Tensor | None = None) -> Tensor:
        """Embed word pieces: `(n, length)`, and what their words look like, to `(n, length, hidden)`."""
        positions = self.positions.weight[: ids.shape[1]]
        embedded = self.words(ids) + positions + self.segments.weight[TEXT_SEGMENT]
        return self._finish(embedded if surface is None else embedded + surface)

    def blocks(self, projected: Tensor, lengths: Tensor) -> Tensor:
        """Embed the visual blocks of the pictures of each text.

        All blocks of a text share one position, the one just behind its own [SEP], or those of each
        picture run on from there; neither knows anything of the batch's padding.

        Args:
            projected: `(n, pictures, BLOCKS, hidden)`, already at the encoder's width; where all share a
                position, there may be fewer of each picture.
            lengths: `(n,)` word pieces of each text, with specials.

        Returns:
            `(n, pictures, BLOCKS, hidden)`.
        """
        positions = self.positions(lengths[:, None] + self.visual_offsets)[:, None]
        return self._finish(projected + positions + self.segments.weight[VISUAL_SEGMENT])

    def _finish(self, embedded: Tensor) -> Tensor:
        finished: Tensor = self.dropout(self.norm(embedded))
        return finished


class Layer(nn.Module):
    """One post-norm transformer layer; sums and norms stay in fp32 whatever the products run in."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        hidden = config.hidden
        self.heads = config.heads
        self.query = nn.Linear(hidden, hidden)
        self.key_value = nn.Linear(hidden, 2 * hidden)
        self.attended = nn.Linear(hidden, hidden)
        self.attended_norm = nn.LayerNorm(hidden, eps=config.layer_norm_eps)
        self.expand = nn.Linear(hidden, config.intermediate)
        self.activation: nn.Module = nn.GELU()
        self.contract = nn.Linear(config.intermediate, hidden)
        self.contract_norm = nn.LayerNorm(hidden, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, hidden: Tensor, mask: Tensor, reads: Unpadded, writes: Unpadded | None = None
    ) -> Tensor:
        """Read all rows, write all or some.

        Args:
            hidden: `(rows, hidden)`, fp32.
            mask: `(n, 1, 1, length)`, true where a row may be attended, or what to add to its scores.
            reads: where the rows stand.
            writes: where those stand that are to be computed, if not all: leading places of each sequence.

        Returns:
            `(rows, hidden)` of what is written, fp32.
        """
        product_type = self.query.weight.dtype
        source = hidden.to(product_type)
        key, value = (self._by_head(part) for part in reads.pad(self.key_value(source)).chunk(2, dim=-1))
        if writes is None:
            writes = reads
        else:
            # Rows that are both read and written: the same, and fewer.
            hidden = writes.take(reads.pad(hidden)[:, : writes.shape[1]])
            source = hidden.to(product_type)
        query = self._by_head(writes.pad(self.query(source)))
        mask = mask if mask.dtype == torch.bool else mask.to(query.dtype)
        attended = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, dropout_p=self.dropout.p if self.training else 0.0
        )
        attended = self.attended(writes.take(attended.transpose(1, 2).flatten(2)))
        hidden = self.attended_norm(hidden + self.dropout(attended))
        expanded = self.activation(self.expand(hidden.to(product_type)))
        finished: Tensor = self.contract_norm(hidden + self.dropout(self.contract(expanded)))
        return finished

    def attention(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """The weights that `forward` attends with, which it never holds itself.

        Args:
            hidden: `(n, length, hidden)`, fp32.
            mask: `(n, 1, 1, length)`, true where a row may be attended.

        Returns:
            `(n, heads, length, length)`, fp32; each row sums to 1.
        """
        source = hidden.to(self.query.weight.dtype)
        query = self._by_head(self.query(source)).float()
        key = self._by_head(self.key_value(source).chunk(2, dim=-1)[0]).float()
        scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[3])
        return scores.masked_fill(~mask, -torch.inf).softmax(dim=-1)

    def pack(self) -> None:
        """Lay the products out for a CPU, GELU with the one before it."""
        for name in ("query", "key_value", "attended", "expand", "contract"):
            setattr(self, name, PackedLinear(getattr(self, name), gelu=name == "expand"))
        self.activation = nn.Identity()

    def _by_head(self, rows: Tensor) -> Tensor:
        """`(n, length, hidden)` to `(n, heads, length, hidden / heads)`."""
        n, length, hidden = rows.shape
        return rows.view(n, length, self.heads, hidden // self.heads).transpose(1, 2)


class Encoder(nn.Module):
    """The stack of layers, once; both passes go through it."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.embeddings = Embeddings(config)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))

    def forward(
        self,
        text: Tensor,
        text_mask: Tensor,
        blocks: Tensor,
        gates: Tensor,
        rows: int,
        *,
        fade: bool = False,
    ) -> Tensor:
        """Run `[CLS] w1 … wn [SEP] v1 … v49 …` through the layers.

        The gate multiplies the finished embedding of a picture's blocks; at 0 it also takes them out of
        attention, so that the result is that of the text alone.

        Args:
            text: `(n, length, hidden)` embedded word pieces.
            text_mask: `(n, length)`, true where there is a word piece.
            blocks: `(n, pictures, BLOCKS, hidden)` embedded visual blocks, or fewer of each picture;
                `pictures` may be 0.
            gates: `(n, pictures)` gate of each picture, 0 where there is none.
            rows: how many leading rows the caller reads.
            fade: whether the gate multiplies the attention to the blocks too. Without, the limit of a gate
                that goes to 0 is not what it is at 0: 49 empty blocks are still attended.

        Returns:
            `(n, rows, hidden)`; a row where `text_mask` is false means nothing.
        """
        gated = (blocks * gates[..., None, None]).flatten(1, 2)
        hidden = torch.cat((text, gated), dim=1)
        open_blocks = (gates != 0).repeat_interleave(blocks.shape[2], dim=1)
        mask = present = torch.cat((text_mask, open_blocks), dim=1)
        if fade:
            blocks_faded = gates.clamp(min=_FAINTEST).log().repeat_interleave(blocks.shape[2], dim=1)
            faded = torch.cat((torch.zeros_like(text_mask, dtype=gates.dtype), blocks_faded), dim=1)
            mask = faded.masked_fill(~mask, -torch.inf)
        mask = mask[:, None, None, :]
        reads, writes = Unpadded.of(present), Unpadded.of(present[:, :rows])
        hidden = reads.take(hidden)
        for layer in self.layers[:-1]:
            hidden = layer(hidden, mask, reads)
        return writes.pad(self.layers[-1](hidden, mask, reads, writes))

    def use_products_in(self, dtype: torch.dtype) -> None:
        """Run the matrix products in `dtype`; embeddings, sums and norms keep fp32."""
        for module in self.layers.modules():
            if isinstance(module, nn.Linear):
                module.to(dtype)

    def pack_products(self) -> None:
        """Lay the products out for a CPU, for good; to serve only."""
        for layer in self.layers:
            if isinstance(layer, Layer):
                layer.pack()


_BERT_NAMES: Final = (
    (r"embeddings\.word_embeddings\.", "embeddings.words."),
    (r"embeddings\.position_embeddings\.", "embeddings.positions."),
    (r"embeddings\.token_type_embeddings\.", "embeddings.segments."),
    (r"embeddings\.LayerNorm\.", "embeddings.norm."),
    (r"encoder\.layer\.(\d+)\.attention\.self\.(query|key|value)\.", r"layers.\1.\2."),
    (r"encoder\.layer\.(\d+)\.attention\.output\.dense\.", r"layers.\1.attended."),
    (r"encoder\.layer\.(\d+)\.attention\.output\.LayerNorm\.", r"layers.\1.attended_norm."),
    (r"encoder\.layer\.(\d+)\.intermediate\.dense\.", r"layers.\1.expand."),
    (r"encoder\.layer\.(\d+)\.output\.dense\.", r"layers.\1.contract."),
    (r"encoder\.layer\.(\d+)\.output\.LayerNorm\.", r"layers.\1.contract_norm."),
)


def from_bert(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state of an `Encoder` from that of a Hugging Face `BertModel`; its pooler is left out."""
    state: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        plain = name.removeprefix("bert.").replace(".gamma", ".weight").replace(".beta", ".bias")
        for pattern, ours in _BERT_NAMES:
            if match := re.match(pattern, plain):
                state[match.expand(ours) + plain[match.end() :]] = tensor
    for name in [name for name in state if ".key." in name]:
        value = state.pop(name.replace(".key.", ".value."))
        state[name.replace(".key.", ".key_value.")] = torch.cat((state.pop(name), value))
    return state
