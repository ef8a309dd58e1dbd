"""The gates one by one: what they let in, and how a gradient comes back through them."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.config import GateKind
from model.gates import RELATED, gate, gumbel, related, soft, straight_through

LOGITS = torch.tensor([[2.0, -1.0], [-0.5, 0.5], [0.0, 0.1], [3.0, 3.5]])
SAMPLES = 20_000

a_logit = st.floats(-20, 20, width=32)
some_logits = st.lists(st.tuples(a_logit, a_logit), min_size=1, max_size=6).map(torch.tensor)


def gradient(through: Callable[[Tensor], Tensor], logits: Tensor) -> Tensor:
    """Of a sum that weighs every picture differently."""
    leaf = logits.clone().requires_grad_()
    (found,) = torch.autograd.grad((through(leaf) * torch.arange(1.0, 1 + len(logits))).sum(), leaf)
    return found


@given(some_logits)
def test_the_soft_gate_is_the_softmax(logits: Tensor) -> None:
    assert torch.equal(gate(logits, GateKind.SOFT), logits.softmax(dim=-1)[:, RELATED])


def test_related_is_the_logistic_function_of_how_far_yes_is_above_no() -> None:
    assert soft(torch.tensor([1.0, 3.0])).item() == pytest.approx(1 / (1 + math.exp(-2)))


@pytest.mark.parametrize("kind", [GateKind.STRAIGHT_THROUGH, GateKind.GUMBEL])
def test_a_hard_gate_at_inference_is_exactly_open_or_shut(kind: GateKind) -> None:
    assert gate(LOGITS, kind).tolist() == [0.0, 1.0, 1.0, 1.0]


def test_without_a_gate_every_picture_is_let_in_whole() -> None:
    assert gate(LOGITS, GateKind.OFF, temperature=0.5).tolist() == [1.0, 1.0, 1.0, 1.0]


@given(some_logits)
def test_straight_through_is_open_or_shut_and_never_leaves_a_rounding_behind(logits: Tensor) -> None:
    expected = (logits[:, 1] > logits[:, 0]).float()
    assert torch.equal(straight_through(logits), expected)


@given(some_logits)
def test_straight_through_passes_the_gradient_on_to_the_probability(logits: Tensor) -> None:
    assert torch.equal(gradient(straight_through, logits), gradient(related, logits))


def test_an_undecided_picture_stays_out_of_a_hard_gate() -> None:
    assert straight_through(torch.tensor([0.7, 0.7])).item() == 0.0


@given(some_logits, st.integers(0, 1000))
def test_a_gumbel_sample_hardens_as_the_temperature_falls(logits: Tensor, seed: int) -> None:
    """With the same noise every step colder is nearer to 0 or 1, on the same side."""
    samples = []
    for temperature in (1.0, 0.5, 0.1, 1e-4):
        torch.manual_seed(seed)
        samples.append(gate(logits, GateKind.GUMBEL, temperature=temperature) - 0.5)
    assume((samples[0].abs() > 1e-3).all())
    for warmer, colder in pairwise(samples):
        assert (colder.sign() == warmer.sign()).all()
        assert (colder.abs() >= warmer.abs() - 1e-6).all()
    torch.testing.assert_close(samples[-1].abs(), torch.full_like(samples[-1], 0.5), atol=0.01, rtol=0)


@settings(deadline=None, max_examples=15)
@given(st.floats(-4, 4), st.floats(0.1, 1), st.integers(0, 1000))
def test_gumbel_opens_as_often_as_the_class_is_probable(yes: float, temperature: float, seed: int) -> None:
    torch.manual_seed(seed)
    logits = torch.tensor([0.0, yes])
    opened = gumbel(logits.expand(SAMPLES, 2), temperature) > 0.5
    probability = related(logits).item()
    deviation = math.sqrt(probability * (1 - probability) / SAMPLES)
    assert opened.float().mean().item() == pytest.approx(probability, abs=5 * deviation)


def test_few_gumbel_samples_are_undecided_where_it_is_cold() -> None:
    torch.manual_seed(0)
    logits = torch.tensor([0.0, 1.0]).expand(SAMPLES, 2)
    undecided = [
        ((sample > 0.05) & (sample < 0.95)).float().mean().item()
        for sample in (gumbel(logits, 0.1), gumbel(logits, 1.0))
    ]
    assert undecided[0] < 0.2 < undecided[1]
