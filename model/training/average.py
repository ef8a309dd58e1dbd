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
    """Exponential moving average of the weights that are trained."""

    def __init__(self, model: RpBert, decay: float) -> None:
        self._parameters = trained_parameters(model)
        self._weights = {name: each.detach().clone() for name, each in self._parameters.items()}
        self._blend = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights as they are now."""
        self._blend(list(self._weights.values()), list(self._parameters.values()), None)

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
