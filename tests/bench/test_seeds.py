from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bench.seeds import Seeds, main
from model.training.report import FILE, Report
from model.training.run import REPORT, train
from tests.model.training.conftest import Recipe, recipe

__all__ = ["recipe"]


@pytest.fixture(scope="module")
def runs(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    torch.set_num_threads(1)
    output = tmp_path_factory.mktemp("runs")
    for seed in (1, 2):
        train(recipe(output / str(seed), seed=seed, epochs=1))
    return [output / "1", output / "2"]


def reports(runs: list[Path]) -> list[Report]:
    return [Report.model_validate_json((run / REPORT / FILE).read_bytes()) for run in runs]


def test_mean_and_spread_are_those_of_the_runs(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(*runs, name="tiny", output=tmp_path)
    assert capsys.readouterr().out.strip() == (tmp_path / "tiny.md").read_text().strip()
    seeds = Seeds.model_validate_json((tmp_path / "tiny.json").read_bytes())
    assert list(seeds.runs) == [1, 2]
    one, two = (each.relation["captioned pictures"].auc for each in reports(runs))
    assert one is not None
    assert two is not None
    assert seeds.runs[2].relation_auc == {"captioned pictures": two}
    mean, spread = (one + two) / 2, abs(one - two) / 2**0.5
    expected = f"| captioned pictures, relation AUC | {mean:.3f} ± {spread:.3f} | {one:.3f} | {two:.3f} |"
    assert expected in seeds.table().splitlines()


def test_runs_of_several_recipes_are_not_averaged(runs: list[Path]) -> None:
    one, two = reports(runs)
    other = two.model_copy(update={"settings": {**two.settings, "epochs": 7, "clip": 3.0}})
    with pytest.raises(ValueError, match="differ in clip, epochs"):
        Seeds.of([one, other])
    with pytest.raises(ValueError, match="same seed"):
        Seeds.of([one, one])
