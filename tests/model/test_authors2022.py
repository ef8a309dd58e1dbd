"""The preset `authors2022` against the network of the authors' public 2022 code, layer by layer.

The reference goes the way of that code with the libraries it uses: Hugging Face's `BertModel` over
`inputs_embeds`, and torch. It reads one post at a time, so that its running positions begin at the post's
own length; in that code they begin at the length of the longest post in the batch.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers import BertConfig, BertModel

from model.batch import Batch, collate
from model.config import BLOCKS, GateKind
from model.encoder import from_bert
from model.inference import TagRequest
from model.rpbert import RpBert
from model.words import PreparedText, WordPieces
from tests.model.tiny import (
    CHANNELS,
    some_regions,
    tagger_of,
    tiny_preset,
    tiny_tokenizer,
    with_random_weights,
)

TEXTS = ("new york is loud", "x", "so many words stand here in one small line", "a bc def")
CONFIG = tiny_preset("authors2022")


@dataclass(frozen=True)
class Reference:
    """What the 2022 code computes for one post."""

    first_pass: tuple[Tensor, ...]
    logits: Tensor
    second_pass: tuple[Tensor, ...]
    emissions: Tensor


def bert() -> BertModel:
    torch.manual_seed(1)
    sizes = CONFIG.encoder
    model = BertModel(
        BertConfig(
            vocab_size=sizes.vocab_size,
            hidden_size=sizes.hidden,
            num_hidden_layers=sizes.layers,
            num_attention_heads=sizes.heads,
            intermediate_size=sizes.intermediate,
            max_position_embeddings=sizes.max_positions,
            initializer_range=0.15,
        )
    )
    model.train(mode=False)
    return model


@torch.inference_mode()
def reference(theirs: BertModel, ours: RpBert, text: PreparedText, regions: Tensor) -> Reference:
    ids = torch.from_numpy(text.windows[0])[None]
    words = theirs.embeddings.word_embeddings(ids)

    def read(visual: Tensor) -> tuple[Tensor, ...]:
        length = ids.shape[1] + BLOCKS
        output = theirs(
            inputs_embeds=torch.cat((words, visual), dim=1),
            attention_mask=torch.ones(1, length),
            token_type_ids=(torch.arange(length) >= ids.shape[1]).long()[None],
            output_hidden_states=True,
        )
        states: tuple[Tensor, ...] = output.hidden_states
        return states

    visual = nn.functional.linear(regions[None].float(), ours.project.weight, ours.project.bias)
    first = read(visual)
    logits = nn.functional.linear(first[-1][:, 0], ours.relation.weight, ours.relation.bias)
    second = read(visual * logits.softmax(dim=1)[:, 1].view(1, 1, 1))
    bounds = [1, *(text.piece_counts.cumsum() + 1).tolist()]
    vectors = torch.stack([second[-1][0, a:b].mean(dim=0) for a, b in pairwise(bounds)])
    lstm = nn.LSTM(CONFIG.encoder.hidden, 256, 2, batch_first=True, bidirectional=True)
    lstm.load_state_dict(ours.tagger.lstm.state_dict())
    scores = ours.tagger.scores
    emissions = nn.functional.linear(lstm(vectors[None])[0], scores.weight, scores.bias)
    return Reference(first, logits, second, emissions[0])


@pytest.fixture(scope="module")
def theirs() -> BertModel:
    return bert()


@pytest.fixture(scope="module")
def ours(theirs: BertModel) -> RpBert:
    model = with_random_weights(CONFIG)
    model.encoder.load_state_dict(from_bert(dict(theirs.state_dict())))
    return model


def prepared(texts: tuple[str, ...], window: int = CONFIG.window) -> list[PreparedText]:
    pieces = WordPieces(tiny_tokenizer(), window=window, overlap=8)
    return [pieces.prepare(text) for text in texts]


def batch_of(texts: list[PreparedText], pictures: list[int]) -> Batch:
    return collate(
        texts, [some_regions(seed, count) for seed, count in enumerate(pictures)], channels=CHANNELS
    )


def layer_states(model: RpBert, batch: Batch) -> tuple[list[Tensor], Tensor, Tensor]:
    """The input of every layer and the output of the last, of pass 1 and then of pass 2."""
    states: list[Tensor] = []
    hooks: list[RemovableHandle] = [
        layer.register_forward_pre_hook(lambda _, given: states.append(given[2].pad(given[0])))
        for layer in model.encoder.layers
    ]
    hooks.append(model.encoder.register_forward_hook(lambda _, __, output: states.append(output)))
    with torch.inference_mode():
        logits, emissions = model(batch)
    for hook in hooks:
        hook.remove()
    return states, logits, emissions


def test_every_layer_of_both_passes_is_that_of_the_2022_code(theirs: BertModel, ours: RpBert) -> None:
    texts = prepared(TEXTS)
    batch = batch_of(texts, [1] * len(texts))
    states, logits, emissions = layer_states(ours, batch)
    pieces, per_pass = batch.ids.shape[1], CONFIG.encoder.layers + 1
    assert len(states) == 2 * per_pass
    for post, text in enumerate(texts):
        expected = reference(theirs, ours, text, batch.regions[post])
        length = text.length
        for ours_at, theirs_at in zip(states, (*expected.first_pass, *expected.second_pass), strict=True):
            rows = ours_at[post]
            # The last layer of a pass computes the rows that are read: [CLS], then the text.
            read = min(length, len(rows))
            torch.testing.assert_close(rows[:read], theirs_at[0, :read], atol=2e-6, rtol=1e-5)
            if len(rows) > pieces:
                blocks = rows[pieces : pieces + BLOCKS]
                torch.testing.assert_close(blocks, theirs_at[0, length:], atol=2e-6, rtol=1e-5)
        torch.testing.assert_close(logits[post], expected.logits[0], atol=2e-6, rtol=1e-5)
        torch.testing.assert_close(
            emissions[post, : len(text.words)], expected.emissions, atol=2e-6, rtol=1e-5
        )


def test_a_picture_that_is_shut_is_attended_all_the_same(ours: RpBert) -> None:
    """The gate stands before the norm: at 0 the blocks still have position and segment."""
    batch = batch_of(prepared(TEXTS), [1, 2, 0, 4])
    shut = with_random_weights(CONFIG.model_copy(update={"gate": GateKind.STRAIGHT_THROUGH}))
    shut.load_state_dict(ours.state_dict())
    with torch.inference_mode():
        shut.relation.bias.copy_(torch.tensor([99.0, -99.0]))
        _, beside = shut(batch)
        _, alone = shut(batch_of(prepared(TEXTS), [0, 0, 0, 0]))
        blank = dataclasses.replace(batch, regions=torch.zeros_like(batch.regions))
        shut.project.bias.zero_()
        _, without_content = shut(blank)
    assert not torch.allclose(beside[0], alone[0], atol=1e-4)
    torch.testing.assert_close(beside, without_content, atol=1e-6, rtol=0)


def test_a_word_is_the_mean_of_its_pieces_in_whichever_window_it_is_read(ours: RpBert) -> None:
    (text,) = prepared(("ab cdefg " * 12,), window=24)
    assert len(text.windows) > 2
    batch = batch_of([text], [0])
    rows = torch.randn(batch.ids.numel(), 5)
    expected = [
        rows.view(*batch.ids.shape, 5)[window, first : first + count].mean(dim=0)
        for (window, first), count in zip(text.places, text.piece_counts, strict=True)
    ]
    assert set(text.piece_counts.tolist()) == {2, 5}
    torch.testing.assert_close(ours._words(rows, batch)[0], torch.stack(expected))


def test_a_post_s_result_does_not_depend_on_its_batch(ours: RpBert) -> None:
    tagger = tagger_of(ours)
    requests = [
        TagRequest(tagger.prepare(text * repeats), tuple(some_regions(repeats, count)))
        for text, repeats, count in zip(TEXTS * 2, (1, 9, 2, 20, 3, 1, 12, 1), (1, 0, 4, 2) * 2, strict=True)
    ]
    for request, beside in zip(requests, tagger.tag(requests), strict=True):
        (alone,) = tagger.tag([request])
        assert [(e.type, e.start, e.end) for e in alone.entities] == [
            (e.type, e.start, e.end) for e in beside.entities
        ]
        assert alone.relevance == pytest.approx(beside.relevance, abs=1e-5)
