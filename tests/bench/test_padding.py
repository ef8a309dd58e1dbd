"""What the batcher saves, counted: on the lengths of Twitter-2017's posts, the same on every machine."""

from pathlib import Path

import pytest

from bench.figures import Figures
from bench.padding import Post, arrival, nearest, padding, paid, served, some_posts
from tests.command_line import Rpbert
from workers.settings import BatchSettings

RULE = BatchSettings()


@pytest.mark.parametrize("pictures", [0, 1])
@pytest.mark.parametrize("queue", [64, 150, 512])
def test_the_batcher_s_rule_costs_less_than_those_before_it(pictures: int, queue: int) -> None:
    posts = some_posts(3_000, pictures, seed=2)
    ours, before, first_come = (paid(rule, posts, RULE, queue=queue) for rule in (served, nearest, arrival))
    assert ours.beside < before.beside <= first_come.beside
    assert ours.padding < before.padding


def test_padding_is_what_is_computed_beside_the_posts() -> None:
    posts = [Post(10), Post(20), Post(30), Post(30)]
    by_hand = paid(arrival, posts, BatchSettings(batch_posts=2, batch_start_tokens=9), queue=4)
    assert by_hand.padding == pytest.approx((2 * 20 + 2 * 30) / 90 - 1)
    assert by_hand.beside == pytest.approx((2 * 20 + 2 * 30 + 2 * 9) / 90 - 1)
    assert (by_hand.batches, by_hand.longest_wait) == (2, 1)


def test_the_figures_are_written_with_a_table_and_a_plot(tmp_path: Path) -> None:
    padding(posts=300, output=tmp_path)
    figures = Figures.model_validate_json((tmp_path / "padding.json").read_bytes())
    assert {figure.unit for figure in figures.figures} >= {"% padding", "posts a batch"}
    assert "as served" in (tmp_path / "padding.md").read_text()
    assert "as served" in (tmp_path / "padding.svg").read_text()


def test_for_programs_the_file_is_printed_and_nothing_else(rpbert: Rpbert, tmp_path: Path) -> None:
    run = rpbert("bench", "padding", "--posts", "300", "--output", str(tmp_path), "--json")
    assert run.status == 0
    assert run.output == (tmp_path / "padding.json").read_text()
    assert Figures.model_validate_json(run.output).bench == "padding"
    assert (tmp_path / "padding.svg").exists()
