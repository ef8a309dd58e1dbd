"""AdamW with a rate for each part of the network, warm-up and decay; and the gate's temperature."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import torch
from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from model.rpbert import RpBert
from model.training.settings import TrainingSettings

_HOTTEST: Final = 1.0
_COLDEST: Final = 0.1


def groups(model: RpBert, settings: TrainingSettings) -> list[dict[str, Any]]:
    """Parameter groups, each with its name and peak rate; what is frozen is in none.

    The top layer of the encoder, and what brings pictures and surface to it, have `encoder_rate`; each layer
    below has `layer_decay` of the rate above it, the embeddings have the least. At a head's rate the surface
    moves the text too fast for the relation head to learn anything.
    """
    encoder = model.encoder
    depth = len(encoder.layers)
    rate = settings.encoder_rate
    parts: list[tuple[str, Iterable[nn.Parameter], float]] = [
        ("embeddings", encoder.embeddings.parameters(), rate * settings.layer_decay**depth),
        *(
            (f"layer {index}", layer.parameters(), rate * settings.layer_decay ** (depth - 1 - index))
            for index, layer in enumerate(encoder.layers)
        ),
        ("projection", model.project.parameters(), rate),
        *((("recognition", model.recognition.parameters(), rate),) if model.recognition else ()),
        *((("surface", model.surface.parameters(), rate),) if model.surface else ()),
        ("relation", model.relation.parameters(), settings.head_rate),
        ("tagger", model.tagger.parameters(), settings.head_rate),
        ("vision", model.vision.parameters(), settings.vision_rate),
    ]
    trained = [
        {"name": name, "params": [each for each in parameters if each.requires_grad], "lr": peak}
        for name, parameters, peak in parts
    ]
    return [group for group in trained if group["params"]]


def make_optimizer(model: RpBert, settings: TrainingSettings) -> AdamW:
    """AdamW over the groups; one kernel a step where there is one."""
    return AdamW(groups(model, settings), weight_decay=settings.weight_decay, fused=True)


def make_schedule(optimizer: AdamW, steps: int, warm_up: float, done: int) -> LambdaLR:
    """The schedule of a run of so many steps, of which some may be done."""
    for group in optimizer.param_groups:
        group.setdefault("initial_lr", group["lr"])
    return LambdaLR(optimizer, triangle(steps, warm_up), last_epoch=done - 1)


def triangle(steps: int, warm_up: float) -> Callable[[int], float]:
    """Share of the peak rate by step: up over the first share of the steps, then down to 0."""
    top = max(1, round(warm_up * steps))
    return lambda step: min((step + 1) / top, (steps - step) / max(1, steps - top))


def temperature(step: int, steps: int) -> float:
    """Of the Gumbel gate: from 1 at the first step of a run to 0.1 at its last (paper, section 3.3)."""
    return _HOTTEST - (_HOTTEST - _COLDEST) * step / max(1, steps - 1)


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """What the optimizer moves, by name."""
    return {name: each for name, each in model.named_parameters() if each.requires_grad}


def moments(optimizer: AdamW, model: nn.Module) -> dict[str, torch.Tensor]:
    """The optimizer's state by parameter: `<parameter>/<what>`; none for what never had a gradient."""
    return {
        f"{name}/{what}": tensor
        for name, parameter in trained_parameters(model).items()
        for what, tensor in optimizer.state.get(parameter, {}).items()
    }


def restore_moments(optimizer: AdamW, model: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Set what `moments` told."""
    parameters = trained_parameters(model)
    for place, tensor in state.items():
        name, what = place.rsplit("/", 1)
        parameter = parameters[name]
        # Laid out in memory as the parameter is: the fused kernel walks both alike.
        like = parameter if tensor.ndim else tensor
        kept = torch.empty_like(like, dtype=tensor.dtype, device=parameter.device)
        optimizer.state[parameter][what] = kept.copy_(tensor)
