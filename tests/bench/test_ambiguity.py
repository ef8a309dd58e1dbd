from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import pytest
import torch

from bench.ambiguity import FIGURES, Comparison, Variant, compare, table, write
from model.data.ambiguity.concepts import Split
from model.release import save_release
from tests.docs.commands import shown
from tests.model.data.ambiguous import make_stamps
from tests.model.tiny import tiny_model, tiny_tokenizer
from workers.data_ambiguity import generate_and_write


def write_few(stamps: Path, data: Path, *, seed: int) -> None:
    """The set, ten posts of each split."""
    generate_and_write(stamps, data, seed=seed)
    for split in Split:
        path = data / f"{split}.jsonl"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:10]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of few posts, its pictures, and a tiny release to start from."""
    folder = tmp_path_factory.mktemp("bench")
    write_few(make_stamps(folder / "stamps"), folder / "data", seed=1)
    save_release(
        folder / "tiny", name="t", version="1", model=tiny_model(), tokenizer=tiny_tokenizer(), card=""
    )
    return folder


def run(folder: Path, **options: object) -> Comparison:
    torch.set_num_threads(1)
    tiny = {"initial_release": str(folder / "tiny"), "epochs": 1, "device": "cpu", "dtype": "float32"}
    return compare(
        folder / "data",
        folder / "stamps",
        folder / "work",
        seeds=(1,),
        variants=(Variant.TEXT_ONLY, Variant.STRAIGHT_THROUGH),
        options={**tiny, **options},
    )


@pytest.fixture(scope="module")
def comparison(folder: Path) -> Comparison:
    return run(folder)


def test_each_variant_is_trained_and_measured(folder: Path, comparison: Comparison) -> None:
    assert comparison.first_reading["all"] == pytest.approx(0.8)
    assert comparison.first_reading["picture decides"] == pytest.approx(0.5)
    assert (comparison.first_reading["overturns"], comparison.first_reading["misleads"]) == (0, 1)
    assert comparison.runs[Variant.TEXT_ONLY][1].relation_auc is None
    assert comparison.runs[Variant.STRAIGHT_THROUGH][1].relation_auc is not None
    gates = {variant: runs[1].recipe["gate"] for variant, runs in comparison.runs.items()}
    assert gates == {Variant.TEXT_ONLY: None, Variant.STRAIGHT_THROUGH: "straight_through"}
    report = json.loads((folder / "work" / "straight_through-1" / "report" / "report.json").read_text())
    assert report["data"]["pairs"]["annotated posts"] == 9
    assert report["data"]["pairs"]["captioned pictures"] > 0


def test_what_was_done_is_not_done_again(folder: Path, comparison: Comparison) -> None:
    figures = folder / "work" / "text_only-1" / FIGURES
    written = figures.stat().st_mtime_ns
    assert run(folder) == comparison
    assert figures.stat().st_mtime_ns == written
    with pytest.raises(SystemExit, match="text_only-1 holds a run of other settings"):
        run(folder, epochs=2)


def test_the_table_has_mean_and_spread() -> None:
    def figures(f1: float) -> Mapping[str, object]:
        every = dict.fromkeys(("all", "picture decides", "overturns", "misleads", "distracts"), f1)
        return {"recipe": {}, "data": "", "f1": every, "relation_auc": f1, "best_epoch": 1, "seconds": 1}

    made = Comparison.model_validate(
        {
            "first_reading": figures(0.5)["f1"],
            "runs": {
                "no gate": {1: figures(0.5), 2: figures(0.8)},
                "soft": {1: figures(0.7), 2: figures(0.9)},
            },
        }
    )
    head, _, floor, _, soft, more = table(made).splitlines()
    assert head.startswith("|  | all | picture decides |")
    assert floor.startswith("| first reading, always | 50.0 |")
    assert soft.startswith("| soft | 80.0 ± 14.1 |")
    assert soft.endswith("| 0.800 |")
    assert more.startswith("| soft less no gate | 15.0 ± 7.1 |")


def test_the_results_name_no_place_of_the_machine(
    folder: Path, comparison: Comparison, tmp_path: Path
) -> None:
    write(comparison, tmp_path)
    written = (tmp_path / "ambiguity.json").read_text()
    assert str(folder) not in written
    assert json.loads(written)["runs"]["straight-through"]["1"]["recipe"]["epochs"] == 1
    assert "| straight-through |" in (tmp_path / "ambiguity.md").read_text()


def test_the_command_of_the_docs_writes_the_results(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one seed and ten posts rather than three and 1,620."""
    (command,) = [each for each in shown() if each.begins("python -m bench.ambiguity")]
    _, _, module, *words = command.words
    places = {
        "$stamps": folder / "stamps",
        "runs/start/release": folder / "tiny",
        "runs/ambiguity": tmp_path / "runs",
    }
    words = [str(places.get(word, word)) for word in words]
    monkeypatch.setattr(f"{module}.generate_and_write", write_few)
    torch.set_num_threads(1)
    status = import_module(module).app(
        [*words, "--seeds", "1", "--epochs", "1", "--output", str(tmp_path)], result_action="return_value"
    )
    assert status is None
    written = Comparison.model_validate_json((tmp_path / "ambiguity.json").read_bytes())
    assert [list(runs) for runs in written.runs.values()] == [[1]] * len(Variant)
