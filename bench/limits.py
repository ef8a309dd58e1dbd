"""What a machine can do at best, and what a computation asks of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter, thread_time
from typing import Any, Final

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from model.device import product_rate

_mkldnn: Final = torch.ops.mkldnn
Clock = Callable[[], float]

_COPIED_BYTES: Final = 64 << 20
_SQUARE: Final = 2_048
_TIMES: Final = 3


def _linear_flop(rows: Sequence[int], weight: Sequence[int], *_: object, **__: object) -> int:
    return 2 * math.prod(rows) * weight[0]


def _convolution_flop(
    _: Sequence[int], weight: Sequence[int], *__: object, out_shape: Sequence[int], **___: object
) -> int:
    return 2 * math.prod(weight[1:]) * math.prod(out_shape)


def _sum_flop(
    residual: Sequence[int], _: Sequence[int], weight: Sequence[int], *__: object, **___: object
) -> int:
    return 2 * math.prod(weight[1:]) * math.prod(residual)


# torch counts its own operators and not these, which `model.packed` calls.
_PACKED: Final[dict[Any, Any]] = {
    _mkldnn._linear_pointwise: _linear_flop,  # noqa: SLF001
    _mkldnn._convolution_pointwise: _convolution_flop,  # noqa: SLF001
    _mkldnn._convolution_pointwise_: _sum_flop,
}


@dataclass(frozen=True, slots=True)
class Demand:
    """What a computation asks for: FLOP of its products, bytes that its operators read and write."""

    flop: float
    bytes: float

    def __truediv__(self, count: int) -> Demand:
        return Demand(self.flop / count, self.bytes / count)


class _Bytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the tensors that go into operators and come out, views apart; no cache is thought of."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            leaves = torch.utils._pytree.tree_leaves((args, kwargs, result))  # noqa: SLF001 - torch's own way
            self.total += sum(leaf.nbytes for leaf in leaves if isinstance(leaf, torch.Tensor))
        return result


def demand(run: Callable[[], object]) -> Demand:
    """Count what a computation asks for, by running it once."""
    with FlopCounterMode(display=False, custom_mapping=_PACKED) as flop, _Bytes() as moved:
        run()
    return Demand(flop.get_total_flops(), moved.total)


def clock() -> Clock:
    """Seconds of this thread alone where torch has but one: other work on the machine then counts little."""
    return thread_time if torch.get_num_threads() == 1 else perf_counter


def matrix_rate(dtype: torch.dtype) -> float:
    """FLOP a second, the best of the encoder's shape and a large square."""
    shapes = ((1_024, 768), (_SQUARE, _SQUARE // 4))
    return max(
        product_rate(dtype, rows=rows, columns=columns, times=_TIMES, clock=clock())
        for rows, columns in shapes
    )


def copy_rate() -> float:
    """Bytes a second, read and written, of a copy that no cache holds."""
    source = torch.ones(_COPIED_BYTES, dtype=torch.uint8)
    target, seconds, now = torch.empty_like(source), [], clock()
    for _ in range(_TIMES):
        began = now()
        target.copy_(source)
        seconds.append(now() - began)
    return 2 * source.nbytes / min(seconds)
