"""`rpbert bench pictures`: each stage of a picture alone, the hit path, streams with reposts."""

from __future__ import annotations

from pathlib import Path

from bench.figures import RESULTS


def pictures(
    *,
    release: str = "small",
    count: int = 128,
    turns: int = 3,
    seed: int = 1,
    output: Path = RESULTS,
    json: bool = False,
) -> None:
    """What pictures cost: each stage alone, the hit path, streams of posts with more and more reposts.

    Writes `pictures.json` and `pictures.md`.

    For example:

        rpbert bench pictures --count 64 --output figures

    Args:
        release: the model in the loop.
        count: how many pictures there are, and posts in a stream.
        turns: how often each figure is measured, all of them once a turn.
        seed: of the pictures and of which post is a repost.
        output: directory of the results.
        json: print the figures as one JSON object, that of the file, instead of a table.
    """
    # Here, not above: `rpbert bench --help` need not wait for torch.
    from bench.picture_costs import measure  # noqa: PLC0415

    measure(release, pictures=count, turns=turns, seed=seed).write(output, as_json=json)
