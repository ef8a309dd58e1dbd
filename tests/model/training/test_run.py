"""One short run, from files to a release with its card and report."""

import json
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from PIL import Image
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]
    EventAccumulator,
)

from model.data.gold import DatasetError
from model.inference import Tagger, TagRequest
from model.training.checkpoint import list_checkpoints
from model.training.errors import TrainingError
from model.training.run import train
from tests.model.training.conftest import Recipe


@pytest.fixture(scope="module")
def report(run: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((run / "report" / "report.json").read_text())
    return read


def test_each_epoch_relates_first_and_tags_then(report: dict[str, Any]) -> None:
    order = [(epoch, phase) for (epoch, phase), _ in groupby(report["steps"], key=lambda step: step[:2])]
    assert order == [(epoch, phase) for epoch in (1, 2, 3) for phase in ("relation", "tagging")]
    assert len(report["steps"]) == 3 * (6 + 6)


def test_a_run_learns_its_posts_and_writes_a_release_that_serves(run: Path, report: dict[str, Any]) -> None:
    losses = [loss for _, phase, loss, _ in report["steps"] if phase == "tagging"]
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) / 2
    tagger = Tagger.load(str(run / "release"), device="cpu", dtype="float32")
    assert (tagger.name, tagger.version) == ("trial", "0.1")
    regions = tagger.describe(np.zeros((1, 224, 224, 3), np.uint8))[0]
    text = tagger.prepare("RT @ ana : Ana in Porto7 for # NBA")
    alone, beside = tagger.tag([TagRequest(text), TagRequest(text, (regions,))])
    assert ("Ana", "PER") in [(entity.text, entity.type) for entity in alone.entities]
    assert len(beside.relevance) == 1


def test_the_report_tells_all_of_the_run(report: dict[str, Any]) -> None:
    assert report["settings"]["seed"] == 1
    assert report["network"]["encoder"]["hidden"] == 32
    assert report["data"]["train"] == report["data"]["dev"] == {"twitter/train.txt": 22}
    assert report["data"]["train_posts_with_picture"] == 6
    assert (report["data"]["missing_pictures"], report["data"]["broken_pictures"]) == (15, 1)
    assert report["data"]["pairs"] == {"captioned pictures": 24}
    assert [epoch["epoch"] for epoch in report["epochs"]] == [1, 2, 3]
    assert report["best_epoch"] == 1 + np.argmax([epoch["f1"] for epoch in report["epochs"]])
    assert {"micro", "types"} == report["dev"]["twitter/train.txt"]["conlleval"].keys()
    confusion = report["confusion"]["twitter/train.txt"]
    assert sum(confusion["PER"].values()) == 22
    assert confusion.keys() == {"PER", "LOC", "ORG", "MISC", "spurious"}
    assert report["relation"]["captioned pictures"]["auc"] >= 0
    histogram = report["relation_histogram"]["captioned pictures"]
    assert (sum(histogram["related"]), sum(histogram["unrelated"])) == (4, 20)
    assert report["seconds"] > 0
    assert report["environment"]["versions"].keys() >= {"python", "torch", "rpbert-stream"}
    assert report["environment"]["processes"] == 1


def test_the_figures_are_those_of_the_written_release(run: Path, report: dict[str, Any]) -> None:
    """Which has lost half of its digits."""
    weights = load_file(run / "release" / "model.safetensors")
    assert weights["encoder.layers.0.query.weight"].dtype is torch.float16
    best = load_file(list_checkpoints(run / "checkpoints")[-1] / "best.safetensors")
    torch.testing.assert_close(
        weights["encoder.layers.0.query.weight"].float(),
        best["encoder.layers.0.query.weight"],
        atol=1e-3,
        rtol=1e-3,
    )
    best_f1 = max(epoch["f1"] for epoch in report["epochs"])
    assert report["dev"]["twitter/train.txt"]["conlleval"]["micro"]["f1"] == pytest.approx(best_f1, abs=0.1)


@pytest.mark.parametrize("name", ["curves", "types", "confusion", "relation"])
def test_the_report_has_pictures(run: Path, name: str) -> None:
    with Image.open(run / "report" / f"{name}.png") as picture:
        assert min(picture.size) > 500
        assert len(picture.convert("RGB").getcolors(1 << 24) or []) > 50


def test_the_card_states_the_recipe_and_the_figures_and_no_path_of_the_machine(
    run: Path, report: dict[str, Any]
) -> None:
    card = (run / "release" / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlicense: apache-2.0\n")
    assert "rpbert train" in card
    assert "--captioned-pictures" in card
    f1 = report["dev"]["twitter/train.txt"]["conlleval"]["micro"]["f1"]
    assert f"| twitter/train.txt | {100 * f1:.1f} |" in card
    assert "AUC" in card
    assert str(run.parent.parent) not in card


def test_tensorboard_has_the_curves(run: Path, report: dict[str, Any]) -> None:
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    losses = {event.step: event.value for event in events.Scalars("loss/tagging")}
    expected = {n: loss for n, (_, phase, loss, _) in enumerate(report["steps"], 1) if phase == "tagging"}
    assert losses == pytest.approx(expected)
    heat = [event.value for event in events.Scalars("temperature")]
    assert heat == sorted(heat, reverse=True)
    assert heat[-1] == pytest.approx(0.1)
    assert events.Scalars("rate/tagger")[-1].value < 1e-3
    assert len(events.Scalars("dev F1/twitter/train.txt")) == 3
    assert len(events.Scalars("relation AUC/captioned pictures")) == 3
    assert len(events.Scalars("gradient norm")) == len(report["steps"])


@pytest.fixture(scope="module")
def tuned(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch that trains the vision too.

    Its gate is soft, so never shut, and the loss of the tags reaches the backbone.
    """
    output = tmp_path_factory.mktemp("runs") / "tuned"
    tuned_vision = {"vision": "tuned", "vision_rate": 1e-3, "gate": "soft", "captioned_pictures": ()}
    train(recipe(output, epochs=1, **tuned_vision))
    return output


def test_frozen_vision_stays_and_tuned_vision_moves_while_its_statistics_stay(
    run: Path, tuned: Path, recipe: Recipe, tmp_path: Path
) -> None:
    before = load_file(Path(str(recipe(tmp_path).initial_release)) / "model.safetensors")

    def moved(output: Path) -> set[str]:
        after = load_file(output / "release" / "model.safetensors")
        names = (name for name in before if name.startswith("vision."))
        return {name for name in names if not torch.equal(before[name], after[name])}

    assert moved(run) == set()
    assert "vision.network.conv_stem.weight" in moved(tuned)
    assert not any("running" in name or "num_batches" in name for name in moved(tuned))


def test_the_average_is_released_and_not_the_last_weights(tuned: Path) -> None:
    checkpoint = list_checkpoints(tuned / "checkpoints")[-1]
    name = "tagger.scores.weight"
    average, last = (load_file(checkpoint / f"{file}.safetensors")[name] for file in ("average", "model"))
    released = load_file(tuned / "release" / "model.safetensors")[name]
    assert torch.equal(released, average.half())
    assert not torch.equal(released, last.half())


def test_a_run_without_a_better_epoch_ends(recipe: Recipe, tmp_path: Path) -> None:
    """Rates of nothing: the second epoch is as good as the first and no better."""
    nothing = {"encoder_rate": 1e-12, "head_rate": 1e-12, "captioned_pictures": (), "images": ()}
    train(recipe(tmp_path / "run", epochs=9, patience=2, **nothing))
    report = json.loads((tmp_path / "run" / "report" / "report.json").read_text())
    assert (len(report["epochs"]), report["best_epoch"]) == (3, 1)
    assert not (tmp_path / "run" / "report" / "relation.png").exists()
    card = (tmp_path / "run" / "release" / "README.md").read_text(encoding="utf-8")
    assert "The relation head was not trained." in card


def test_a_directory_that_holds_a_run_is_not_begun_in_again(run: Path, recipe: Recipe) -> None:
    with pytest.raises(TrainingError, match=r"holds a run already .*: go on with it by --resume, or give"):
        train(recipe(run))


def test_a_loss_that_is_no_number_ends_the_run(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"loss is no number at step .*: lower --encoder-rate"):
        train(recipe(tmp_path / "run", encoder_rate=1e30, head_rate=1e30, clip=1e30, warm_up=0, epochs=1))


def test_too_few_concepts_to_hold_some_out_are_an_error(recipe: Recipe, tmp_path: Path) -> None:
    (stamps,) = recipe(tmp_path).captioned_pictures
    few = recipe(tmp_path / "run", captioned_pictures=(stamps / "cats",))
    with pytest.raises(DatasetError, match="too few folders of captioned pictures, 1"):
        train(few)


def test_a_process_trains_again_in_another_precision(recipe: Recipe, tmp_path: Path) -> None:
    AcceleratorState._reset_state()
    Accelerator(cpu=True, mixed_precision="bf16")
    train(recipe(tmp_path / "again", epochs=1))
    assert Tagger.load(str(tmp_path / "again" / "release"), dtype="float32").version == "0.1"
