"""`rpbert bench model`: the network against the plain way through it, and against the machine's limits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter, validators

from bench.figures import RESULTS

_Count = Annotated[int, Parameter(validator=validators.Number(gte=1))]


def model(
    *,
    posts: _Count = 64,
    pictures: _Count = 8,
    turns: _Count = 3,
    threads: _Count | None = None,
    seed: int = 1,
    tried: Literal["paper", "small"] | None = None,
    output: Path = RESULTS,
    json: bool = False,
) -> None:
    """What a post costs the network: `paper` and `small` against the plain way, in one run, in turns.

    The plain way is the same network in fp32, padded batches of 16 in the order of arrival, the backbone
    twice a post. `paper` has random weights. Posts are as long as Twitter-2017's, one picture each. A post
    that is not cached costs the backbone once (plainly twice) and what a cached one costs.

    Writes `model.json`, `model.md` and `model.svg`; with `--tried small`, `model_tried_small` instead.

    Args:
        posts: how many there are.
        pictures: how many the backbone runs over at once.
        turns: how often each figure is measured, all of them once a turn.
        threads: of torch; with 1, time is that of the thread, so that a busy machine matters less.
        seed: of weights, texts and pictures.
        tried: each optimisation of this preset taken out, one at a time, in place of the comparison.
        output: directory of the results.
        json: print the figures as one JSON object, that of the file, instead of a table.
    """
    # Here, not above: `rpbert bench --help` need not wait for torch.
    import torch  # noqa: PLC0415

    from bench.model_costs import measure  # noqa: PLC0415
    from bench.model_tried import measure_tried  # noqa: PLC0415
    from bench.plot import bars  # noqa: PLC0415

    if threads is not None:
        torch.set_num_threads(threads)
    sizes = {"posts": posts, "pictures": pictures, "turns": turns, "seed": seed}
    figures = measure(**sizes) if tried is None else measure_tried(tried, **sizes)
    unit = "posts/s" if tried is None else "ms a post"
    figures.write(output, as_json=json, plot=lambda written, path: bars(written, unit, path))
