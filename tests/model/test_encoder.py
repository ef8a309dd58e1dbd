import pytest
import torch
from transformers import BertConfig, BertModel

from model.encoder import Encoder, from_bert
from tests.model.tiny import tiny_config

CONFIG = tiny_config().encoder


@pytest.fixture(scope="module")
def bert() -> BertModel:
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=CONFIG.vocab_size,
        hidden_size=CONFIG.hidden,
        num_hidden_layers=CONFIG.layers,
        num_attention_heads=CONFIG.heads,
        intermediate_size=CONFIG.intermediate,
        max_position_embeddings=CONFIG.max_positions,
        initializer_range=0.2,
    )
    model = BertModel(config)
    model.train(mode=False)
    return model


@pytest.fixture(scope="module")
def encoder(bert: BertModel) -> Encoder:
    encoder = Encoder(CONFIG).eval()
    encoder.load_state_dict(from_bert(dict(bert.state_dict())))
    return encoder


@torch.inference_mode()
def read(encoder: Encoder, ids: torch.Tensor, mask: torch.Tensor, rows: int) -> torch.Tensor:
    text = encoder.embeddings.text(ids)
    nothing = text.new_zeros(len(ids), 0, 49, CONFIG.hidden)
    output: torch.Tensor = encoder(text, mask, nothing, text.new_zeros(len(ids), 0), rows)
    return output


def test_text_alone_is_read_as_hugging_face_s_bert_reads_it(bert: BertModel, encoder: Encoder) -> None:
    torch.manual_seed(2)
    ids = torch.randint(1, CONFIG.vocab_size, (5, 17))
    mask = torch.arange(17) < torch.tensor([17, 3, 9, 1, 16])[:, None]
    with torch.inference_mode():
        theirs = bert(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    ours = read(encoder, ids, mask, rows=17)
    torch.testing.assert_close(ours[mask], theirs[mask], atol=1e-5, rtol=0)


def test_fewer_rows_are_the_same_rows(encoder: Encoder) -> None:
    ids = torch.randint(1, CONFIG.vocab_size, (3, 12))
    mask = torch.ones(3, 12, dtype=torch.bool)
    torch.testing.assert_close(read(encoder, ids, mask, rows=1), read(encoder, ids, mask, rows=12)[:, :1])


def test_a_gate_of_nothing_takes_the_blocks_out_of_attention(encoder: Encoder) -> None:
    ids = torch.randint(1, CONFIG.vocab_size, (3, 12))
    mask = torch.arange(12) < torch.tensor([12, 4, 7])[:, None]
    with torch.inference_mode():
        text = encoder.embeddings.text(ids)
        beside = encoder(text, mask, torch.randn(3, 2, 49, CONFIG.hidden), torch.zeros(3, 2), 12)
    torch.testing.assert_close(beside[mask], read(encoder, ids, mask, rows=12)[mask], atol=1e-6, rtol=1e-5)


def test_attention_that_fades_with_its_gate_tends_to_the_text_alone_and_to_the_open_picture(
    encoder: Encoder,
) -> None:
    ids = torch.randint(1, CONFIG.vocab_size, (3, 12))
    mask = torch.arange(12) < torch.tensor([12, 4, 7])[:, None]
    blocks = torch.randn(3, 2, 49, CONFIG.hidden)

    def beside(gate: float, *, fade: bool) -> torch.Tensor:
        read: torch.Tensor = encoder(text, mask, blocks, torch.full((3, 2), gate), 12, fade=fade)
        return read[mask]

    with torch.inference_mode():
        text = encoder.embeddings.text(ids)
        alone = read(encoder, ids, mask, rows=12)[mask]
        torch.testing.assert_close(beside(1e-8, fade=True), alone, atol=1e-4, rtol=0)
        torch.testing.assert_close(beside(1.0, fade=True), beside(1.0, fade=False), atol=1e-5, rtol=0)
        torch.testing.assert_close(beside(0.0, fade=True), alone, atol=1e-6, rtol=1e-5)
        # Blocks of nothing that are attended as before are not the text alone.
        assert not torch.allclose(beside(1e-8, fade=False), alone, atol=1e-2)


@pytest.mark.parametrize("faint", [1.0, 1e-6, 1e-44, 0.0])
def test_the_gradient_of_a_faint_gate_is_a_number(encoder: Encoder, faint: float) -> None:
    gates = torch.full((1, 1), faint, requires_grad=True)
    text = encoder.embeddings.text(torch.tensor([[2, 7, 3]]))
    mask = torch.ones(1, 3, dtype=torch.bool)
    read: torch.Tensor = encoder(text, mask, torch.randn(1, 1, 49, CONFIG.hidden), gates, 3, fade=True)
    (found,) = torch.autograd.grad(read.square().sum() + read[0, 0, 0], gates)
    assert found.isfinite().all()


@torch.inference_mode()
def test_nothing_but_attention_computes_padding_or_shut_pictures(encoder: Encoder) -> None:
    ids, mask = (
        torch.randint(1, CONFIG.vocab_size, (3, 12)),
        torch.arange(12) < torch.tensor([[12], [4], [7]]),
    )
    gates = torch.tensor([[1.0, 0.0], [1.0, 0.5], [0.0, 0.0]])
    computed: list[int] = []
    products = [layer for layer in encoder.layers.modules() if isinstance(layer, torch.nn.Linear)]
    hooks = [
        product.register_forward_hook(lambda _, __, output: computed.append(len(output)))
        for product in products
    ]
    encoder(encoder.embeddings.text(ids), mask, torch.randn(3, 2, 49, CONFIG.hidden), gates, rows=1)
    for hook in hooks:
        hook.remove()
    rows = 12 + 4 + 7 + 3 * 49
    assert computed[: 5 * (CONFIG.layers - 1)] == [rows] * 5 * (CONFIG.layers - 1)
    # The last layer reads all rows and writes those that are asked for.
    assert sorted(computed[-5:]) == [3, 3, 3, 3, rows]
