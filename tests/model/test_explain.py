"""Visual attention of entities, against a naive softmax over all columns."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from model.batch import Batch, collate
from model.config import BLOCKS, GateKind, GatePlace
from model.encoder import Layer
from model.explain import GRID, visual_attention, word_attention
from model.inference import Tagger, TagRequest
from model.rpbert import RpBert
from model.unpadded import Unpadded
from model.words import WordPieces
from tests.model.tiny import (
    CHANNELS,
    some_regions,
    tagger_of,
    tiny_model,
    tiny_preset,
    tiny_tokenizer,
    with_random_weights,
)

TEXT = "anita borg speaks in lisbon tonight"
MODELS = {
    "paper": tiny_model(GateKind.SOFT),
    "hard": tiny_model(),
    "authors2022": with_random_weights(tiny_preset("authors2022")),
}


def post(text: str = TEXT, pictures: int = 2, window: int = 60) -> Batch:
    pieces = WordPieces(tiny_tokenizer(), window=window, overlap=8)
    return collate([pieces.prepare(text)], [some_regions(1, pictures)], channels=CHANNELS)


def judged(model: RpBert, *, yes: float) -> RpBert:
    """The same network with a relation head that says the same of every picture."""
    state = model.state_dict()
    judged = with_random_weights(model.config)
    judged.load_state_dict(
        state
        | {
            "relation.weight": torch.zeros_like(state["relation.weight"]),
            "relation.bias": torch.tensor([0.0, yes]),
        }
    )
    return judged


def last_layer(model: RpBert) -> Layer:
    layer = model.encoder.layers[-1]
    assert isinstance(layer, Layer)
    return layer


def naive(model: RpBert, batch: Batch, gates: Tensor, window: int = 0) -> Tensor:
    """`(rows, columns)`: the layers written out for one window whose pictures all take part."""
    text, blocks = model._embed(batch)
    if model.config.gate_place is GatePlace.PROJECTION:
        blocks, gates = blocks * gates[:, None, None], torch.ones_like(gates)
    length = batch.lengths[window, None]
    visual = model.encoder.embeddings.blocks(blocks[None], length) * gates[None, :, None, None]
    hidden = torch.cat((text[window, None, : int(length)], visual.flatten(1, 2)), dim=1)
    everything = torch.ones(1, 1, 1, hidden.shape[1], dtype=torch.bool)
    last = last_layer(model)
    all_rows = Unpadded.of(everything[0, 0])
    for layer in model.encoder.layers[:-1]:
        hidden = all_rows.pad(layer(all_rows.take(hidden), everything, all_rows))
    size, heads = model.config.encoder.hidden, model.config.encoder.heads
    rows = []
    for head in range(heads):
        part = slice(head * size // heads, (head + 1) * size // heads)
        query = last.query(hidden)[0][:, part]
        key = last.key_value(hidden)[0][:, :size][:, part]
        rows.append((query @ key.T / math.sqrt(size // heads)).softmax(dim=1))
    return torch.stack(rows).mean(dim=0)


@pytest.mark.parametrize("name", MODELS)
@torch.inference_mode()
def test_it_is_the_softmax_of_the_last_layer_over_words_and_blocks(name: str) -> None:
    model, batch, gates = MODELS[name], post(), torch.tensor([0.3, 1.0])
    expected = naive(model, batch, gates)[batch.places[0]]
    torch.testing.assert_close(expected.sum(dim=1), torch.ones(len(expected)))
    maps = word_attention(model, batch, gates)
    assert maps.shape == (6, 2, GRID, GRID)
    text = batch.ids.shape[1]
    torch.testing.assert_close(maps.flatten(1), expected[:, text:], atol=1e-6, rtol=1e-4)


@torch.inference_mode()
def test_a_gate_before_the_norm_leaves_attention_to_what_is_shut() -> None:
    model, batch, gates = MODELS["authors2022"], post(), torch.tensor([0.0, 1.0])
    expected = naive(model, batch, gates)[batch.places[0], batch.ids.shape[1] :]
    maps = word_attention(model, batch, gates)
    assert maps[:, 0].min() > 0
    torch.testing.assert_close(maps.flatten(1), expected, atol=1e-6, rtol=1e-4)


@torch.inference_mode()
def test_every_row_of_a_layer_s_attention_sums_to_one_and_gives_what_the_layer_reads() -> None:
    last = last_layer(MODELS["hard"])
    hidden = torch.randn(3, 20, 32)
    mask = (torch.arange(20) < torch.tensor([20, 5, 11])[:, None])[:, None, None]
    weights = last.attention(hidden, mask)
    assert weights.shape == (3, 4, 20, 20)
    assert not weights[1, :, :, 5:].any()
    torch.testing.assert_close(weights.sum(dim=3), torch.ones(3, 4, 20))
    value = last._by_head(last.key_value(hidden).chunk(2, dim=-1)[1])
    attended = last.attended((weights @ value).transpose(1, 2).flatten(2))
    normed = last.attended_norm(hidden + attended)
    expected = last.contract_norm(normed + last.contract(functional.gelu(last.expand(normed))))
    rows = Unpadded.of(mask[:, 0, 0])
    read = last(rows.take(hidden), mask, rows)
    torch.testing.assert_close(read, rows.take(expected), atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_a_shut_picture_has_no_attention_behind_the_gate() -> None:
    entities = [range(2), range(4, 5)]
    attention = visual_attention(judged(MODELS["hard"], yes=-9.0), post(), entities)
    assert attention.gates == (0.0, 0.0)
    assert attention.before.shape == attention.after.shape == (2, 2, GRID, GRID)
    assert attention.before.min() > 0
    assert not attention.after.any()


@torch.inference_mode()
def test_an_open_hard_gate_changes_nothing() -> None:
    attention = visual_attention(judged(MODELS["hard"], yes=9.0), post(), [range(2)])
    np.testing.assert_array_equal(attention.before, attention.after)


@torch.inference_mode()
def test_the_picture_beside_a_shut_one_keeps_its_place() -> None:
    batch = post(pictures=3)
    maps = word_attention(MODELS["hard"], batch, torch.tensor([0.0, 1.0, 1.0]))
    alone = dataclasses.replace(
        batch, regions=batch.regions[1:], picture_post=batch.picture_post[1:], slots=torch.tensor([[0, 1]])
    )
    assert not maps[:, 0].any()
    torch.testing.assert_close(maps[:, 1:], word_attention(MODELS["hard"], alone, torch.ones(2)))


@torch.inference_mode()
def test_an_entity_is_the_mean_of_its_words_in_whichever_window_they_are_read() -> None:
    model, batch = MODELS["hard"], post(TEXT + " " + TEXT, pictures=1, window=24)
    width = batch.ids.shape[1]
    rows = [naive(model, batch, torch.ones(1), window)[:, -BLOCKS:] for window in range(len(batch.ids))]
    expected = torch.stack([rows[place // width][place % width] for place in batch.places[0].tolist()])
    assert len({place // width for place in batch.places[0, 3:9].tolist()}) > 1
    attention = visual_attention(model, batch, [range(3, 9)])
    torch.testing.assert_close(
        torch.from_numpy(attention.before[0, 0]).flatten(), expected[3:9].mean(dim=0), atol=1e-6, rtol=1e-4
    )


def test_a_tagger_explains_what_it_tags(tagger: Tagger) -> None:
    for count in (0, 1, 4):
        request = TagRequest(tagger.prepare(TEXT), tuple(some_regions(5, count)))
        tagging, attention = tagger.explain(request)
        assert tagging == tagger.tag([request])[0]
        assert attention.after.shape == (len(tagging.entities), count, GRID, GRID)
        assert attention.before.shape == attention.after.shape
        assert [score > 0.5 for score in tagging.relevance] == [gate == 1 for gate in attention.gates]
    assert tagging.entities


def test_a_text_without_words_has_nothing_that_looks(tagger: Tagger) -> None:
    tagging, attention = tagger.explain(TagRequest(tagger.prepare(""), tuple(some_regions(1))))
    assert tagging.entities == ()
    assert attention.before.shape == (0, 1, GRID, GRID)


def test_serving_is_left_without_hooks(tagger: Tagger) -> None:
    tagger.explain(TagRequest(tagger.prepare(TEXT), tuple(some_regions(1))))
    assert not any(module._forward_pre_hooks for module in tagger._model.modules())


def test_it_runs_on_products_in_bf16() -> None:
    rough = tagger_of(tiny_model(GateKind.SOFT))
    request = TagRequest(rough.prepare(TEXT), tuple(some_regions(1)))
    _, exact = rough.explain(request)
    rough._model.encoder.use_products_in(torch.bfloat16)
    _, attention = rough.explain(request)
    np.testing.assert_allclose(attention.before[:1].sum(), exact.before[:1].sum(), rtol=0.1)
