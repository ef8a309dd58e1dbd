"""The processes of a run: the first one leads, the others train beside it."""

from __future__ import annotations

from typing import Literal

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from model.training.settings import TrainingSettings


def on_cpu(device: Literal["auto", "cpu"]) -> bool:
    """Whether a run of this device setting has no GPU."""
    return device == "cpu" or not torch.cuda.is_available()


class Crew:
    """All processes that torchrun started, or this one alone."""

    def __init__(self, device: Literal["auto", "cpu"]) -> None:
        """Meet the others.

        Args:
            device: that of the run to come.
        """
        self._state = PartialState(cpu=on_cpu(device))

    @property
    def leads(self) -> bool:
        """Whether this is the process that decides, reads and writes."""
        return bool(self._state.is_main_process)

    def hand_out(self, order: TrainingSettings | None) -> TrainingSettings | None:
        """What the first process gives, in every process; each calls this once."""
        orders = [order]
        broadcast_object_list(orders)
        return orders[0]
