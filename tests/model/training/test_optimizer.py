import pytest
import torch
from torch.optim import AdamW

from model.training.optimizer import (
    groups,
    make_optimizer,
    make_schedule,
    moments,
    restore_moments,
    temperature,
    triangle,
)
from model.training.settings import TrainingSettings
from tests.model.tiny import tiny_model

SETTINGS = TrainingSettings.model_validate(
    {
        "train": ["train.txt"],
        "dev": ["valid.txt"],
        "images": ["pictures"],
        "output": "runs/x",
        "encoder_rate": 1e-4,
        "head_rate": 1e-3,
        "vision_rate": 1e-6,
        "layer_decay": 0.5,
    }
)


def test_each_part_has_its_rate_and_lower_layers_less() -> None:
    model = tiny_model()
    rates = {group["name"]: group["lr"] for group in groups(model, SETTINGS)}
    assert rates == {
        "embeddings": 0.25e-4,
        "layer 0": 0.5e-4,
        "layer 1": 1e-4,
        "projection": 1e-4,
        "recognition": 1e-4,
        "surface": 1e-4,
        "relation": 1e-3,
        "tagger": 1e-3,
        "vision": 1e-6,
    }
    parameters = [each for group in groups(model, SETTINGS) for each in group["params"]]
    trained = [each for each in model.parameters() if each.requires_grad]
    assert {id(each) for each in parameters} == {id(each) for each in trained}
    assert len(parameters) == len(trained)


def test_frozen_vision_is_left_out() -> None:
    model = tiny_model()
    model.vision.requires_grad_(requires_grad=False)
    assert "vision" not in {group["name"] for group in groups(model, SETTINGS)}


def test_rates_rise_over_the_warm_up_and_fall_to_nothing() -> None:
    share = triangle(10, 0.2)
    assert [share(step) for step in (0, 1, 2, 6, 10)] == [0.5, 1.0, 1.0, 0.5, 0.0]
    assert triangle(4, 0.0)(0) == 1.0


def test_a_schedule_goes_on_where_it_was() -> None:
    whole, rest = (make_optimizer(tiny_model(), SETTINGS) for _ in range(2))
    schedule = make_schedule(whole, 10, 0.2, done=0)
    for _ in range(7):
        whole.step()
        schedule.step()
    resumed = make_schedule(rest, 10, 0.2, done=7)
    assert resumed.get_last_lr() == schedule.get_last_lr()


def test_the_gate_cools_from_1_to_a_tenth_over_the_run() -> None:
    assert [temperature(step, 10) for step in (0, 9)] == [1.0, pytest.approx(0.1)]
    assert temperature(4, 9) == pytest.approx(0.55)


def test_a_restored_optimizer_moves_convolutions_as_the_first_did() -> None:
    """They lie channels-last in memory, files lie plain, and the fused kernel looks at memory."""
    models = [torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    optimizers = [AdamW(model.parameters(), lr=0.1, fused=True) for model in models]
    pictures = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    for step in range(2):
        if step:
            plain = {name: each.contiguous() for name, each in moments(optimizers[0], models[0]).items()}
            restore_moments(optimizers[1], models[1], plain)
            models[1].load_state_dict({name: each.clone() for name, each in models[0].state_dict().items()})
        for model, optimizer in zip(models[: step + 1], optimizers, strict=False):
            optimizer.zero_grad()
            torch.autograd.backward(model(pictures).square().mean())
            optimizer.step()
    assert torch.equal(models[0].weight, models[1].weight)
