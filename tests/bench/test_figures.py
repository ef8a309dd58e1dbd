from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from pathlib import Path

import pytest

from bench.figures import Figure, Figures, Key, in_turns
from bench.picture_streams import reposted

KEY = ("one", "ms")


def test_measurements_take_turns_and_the_first_is_not_counted() -> None:
    numbers, order = count(), []

    def one() -> Mapping[Key, float]:
        order.append("one")
        return {KEY: next(numbers), ("half", "ms"): 0.5}

    def two() -> Mapping[Key, float]:
        order.append("two")
        return {("two", "ms"): 10 + next(numbers)}

    first, half, second = in_turns([one, two], 2)
    assert order == ["one", "two"] * 3
    assert (first.count, first.lowest, first.median, first.highest) == (2, 2, 3, 4)
    assert half.mean == 0.5
    assert (second.lowest, second.highest) == (13, 15)


def test_what_is_written_can_be_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figure = Figure.of(KEY, [3, 1, 8])
    figures = Figures(
        bench="a", release="r", dtype="float32", settings={"turns": 3}, figures=[figure], seconds=1.5
    )
    figures.write(tmp_path / "results")
    assert Figures.model_validate_json((tmp_path / "results" / "a.json").read_bytes()) == figures
    assert "| one | 3 | 1 to 8 | ms | 3 |" in (tmp_path / "results" / "a.md").read_text().splitlines()
    assert "| one | 3 | 1 to 8 | ms | 3 |" in capsys.readouterr().out


@pytest.mark.parametrize("percent", [0, 30, 60, 90])
def test_a_share_of_posts_are_reposts(percent: int) -> None:
    urls = [str(number) for number in range(1_000)]
    posted = reposted(urls, percent, seed=1)
    assert len(posted) == len(urls)
    assert 100 * (1 - len(set(posted)) / len(urls)) == pytest.approx(percent, abs=4)
