import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.config import GateKind
from model.gates import RELATED, gate, gumbel, related, straight_through

LOGITS = torch.tensor([[2.0, -1.0], [-0.5, 0.5], [0.0, 0.1], [3.0, 3.5]])


def test_the_soft_gate_is_the_probability_of_related() -> None:
    assert torch.equal(gate(LOGITS, GateKind.SOFT), LOGITS.softmax(dim=-1)[:, RELATED])


@pytest.mark.parametrize("kind", [GateKind.STRAIGHT_THROUGH, GateKind.GUMBEL])
def test_a_hard_gate_at_inference_is_exactly_open_or_shut(kind: GateKind) -> None:
    assert gate(LOGITS, kind).tolist() == [0.0, 1.0, 1.0, 1.0]


def test_without_a_gate_every_picture_is_let_in_whole() -> None:
    assert gate(LOGITS, GateKind.OFF, temperature=0.5).tolist() == [1.0, 1.0, 1.0, 1.0]


@given(st.floats(-20, 20), st.floats(-20, 20))
def test_straight_through_never_leaves_a_rounding_behind(unrelated: float, yes: float) -> None:
    assert straight_through(torch.tensor([unrelated, yes])).item() in {0.0, 1.0}


def test_straight_through_passes_the_gradient_of_the_probability() -> None:
    hard_logits = LOGITS.clone().requires_grad_()
    soft_logits = LOGITS.clone().requires_grad_()
    weights = torch.tensor([1.0, -2.0, 3.0, 0.5])
    torch.autograd.backward((straight_through(hard_logits) * weights).sum())
    torch.autograd.backward((related(soft_logits) * weights).sum())
    torch.testing.assert_close(hard_logits.grad, soft_logits.grad)


def test_gumbel_samples_harden_with_the_temperature_and_follow_the_probabilities() -> None:
    torch.manual_seed(0)
    logits = torch.tensor([0.0, 1.0]).expand(20_000, 2)
    cold, warm = gumbel(logits, 0.1), gumbel(logits, 1.0)
    undecided = [((sample > 0.05) & (sample < 0.95)).float().mean().item() for sample in (cold, warm)]
    assert undecided[0] < 0.2 < undecided[1]
    assert (cold > 0.5).float().mean().item() == pytest.approx(related(logits[0]).item(), abs=0.02)
