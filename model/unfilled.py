"""Networks that are made to be loaded: no weights are drawn for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import torch
from torch.nn import init
from torch.overrides import TorchFunctionMode

# What torch.nn.init hands over, and what the rest of it comes down to.
_DRAWS: Final[frozenset[Callable[..., Any]]] = frozenset(
    {init.uniform_, init.normal_, init.kaiming_uniform_, torch.Tensor.uniform_, torch.Tensor.normal_}
)


class Unfilled(TorchFunctionMode):
    """Within it modules keep what lay in their memory where they would draw weights.

    For this thread alone, and with less to go wrong than torch's `meta` device, on which buffers that no file
    holds would be lost. Drawing is a third of the time to load `small` and a second of `paper`'s.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """The tensor as it is in place of a draw, everything else as ever."""
        del types
        named = kwargs or {}
        if func in _DRAWS:
            return args[0] if args else named["tensor"]
        return func(*args, **named)
