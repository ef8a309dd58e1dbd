"""The moving average of the weights, which is what a run is judged by and released as."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from model.rpbert import RpBert
from model.training.optimizer import trained_parameters


class Average:
    """Exponential moving average of the weights that are trained.

    The decay rises to what is asked for, as TensorFlow's `ExponentialMovingAverage` has it with
    `num_updates`: with a fixed one of 0.998, 40 % of what a run of 450 steps gives were the weights that it
    began with.
    """

    def __init__(self, model: RpBert, decay: float) -> None:
        """Begin with the weights as they are; `decay` is the most that it keeps of itself in a step, 0-1."""
        self._parameters = trained_parameters(model)
        self._weights = {name: each.detach().clone() for name, each in self._parameters.items()}
        self._decay = decay

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights as they are after a step, counted from 1."""
        decay = min(self._decay, step / (step + 9))
        blend = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        blend(list(self._weights.values()), list(self._parameters.values()), None)

    def state(self) -> Mapping[str, Tensor]:
        """The averaged weights by name; they change with the next update."""
        return self._weights

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Set what `state` told."""
        for name, weight in self._weights.items():
            weight.copy_(state[name])


def with_weights(model: RpBert, weights: Mapping[str, Tensor]) -> RpBert:
    """A copy of the network in inference mode, with other weights where there are some."""
    other = copy.deepcopy(model).eval()
    other.load_state_dict(dict(weights), strict=False)
    return other
