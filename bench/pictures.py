"""What pictures cost: each stage alone, the hit path, and streams of posts with more and more reposts.

python -m bench.pictures
"""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

app = App(help=__doc__)


@app.default
def main(
    *,
    release: str = "small",
    pictures: int = 128,
    turns: int = 3,
    seed: int = 1,
    output: Path = Path(__file__).parent / "results",
) -> None:
    """Measure, and write `pictures.json` and `pictures.md`.

    Args:
        release: the model in the loop.
        pictures: how many there are, and posts in a stream.
        turns: how often each figure is measured, all of them once a turn.
        seed: of the pictures and of which post is a repost.
        output: directory of the results.
    """
    # Here, not above: each decoding process imports this file again, and need not import the model.
    from bench.picture_costs import measure  # noqa: PLC0415

    measure(release, pictures=pictures, turns=turns, seed=seed).write(output)


if __name__ == "__main__":
    app()
