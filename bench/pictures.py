"""What pictures cost: each stage alone, the hit path, and streams of posts with more and more reposts.

python -m bench.pictures
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cyclopts import App

RESULTS: Final = Path(__file__).parent / "results"

app = App(help=__doc__)


@app.default
def main(
    *, release: str = "small", pictures: int = 192, runs: int = 3, seed: int = 1, output: Path = RESULTS
) -> None:
    """Measure, and write `pictures.json` and `pictures.md`.

    Args:
        release: the model in the loop.
        pictures: how many there are, and posts in a stream.
        runs: how often each figure is measured.
        seed: of the pictures and of which post is a repost.
        output: directory of the results.
    """
    # Here, not above: each decoding process imports this file again, and need not import the model.
    from bench.picture_costs import measure_all  # noqa: PLC0415

    figures = measure_all(release, pictures=pictures, runs=runs, seed=seed)
    output.mkdir(parents=True, exist_ok=True)
    (output / "pictures.json").write_text(figures.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (output / "pictures.md").write_text(figures.table(), encoding="utf-8")


if __name__ == "__main__":
    app()
