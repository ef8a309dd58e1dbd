"""A run whose relation task has a teacher and imagined pictures."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from model import pretrained
from model.alignment import contrast
from model.release import save_release
from model.training import alignment as alignment_module
from model.training.alignment import Alignment
from model.training.data import Data
from model.training.logs import RunLog
from model.training.pictures import Pictures
from model.training.run import train
from model.training.settings import TrainingSettings
from model.training.start import start
from tests.model.alignment.words import BagsOfWords
from tests.model.tiny import tiny_model, tiny_tokenizer
from tests.model.training.conftest import Recipe

Made = Callable[[str], TrainingSettings]


@pytest.fixture
def made(recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Settings of a run on ImageNet's backbone, with clip art of which two give held-out concepts away."""
    monkeypatch.setattr(alignment_module, "SentenceVectors", BagsOfWords)
    monkeypatch.setattr(contrast, "_STEPS", 20)
    torch.set_num_threads(1)
    model = tiny_model()
    weights = {n: each for n, each in pretrained.efficientnet_lite0().items() if "classifier" not in n}
    model.vision.network.load_state_dict(weights)
    save_release(
        tmp_path / "tiny", model=model, tokenizer=tiny_tokenizer(), name="tiny", version="1", card=""
    )
    (stamps,) = recipe(tmp_path).captioned_pictures
    further = tmp_path / "art"
    further.mkdir()
    captions = [f"Nice {concept.name} with a ribbon" for concept in sorted(stamps.iterdir())]
    for number, caption in enumerate([*captions, "Harbour by night", "Violin"]):
        Image.new("RGB", (20, 20), (9, 20 * number, 90)).save(further / f"{number}.png")
        (further / f"{number}.txt").write_text(f"{caption}\n")

    def make(output: str) -> TrainingSettings:
        return recipe(
            tmp_path / output,
            captioned_pictures=(stamps, further),
            initial_release=str(tmp_path / "tiny"),
            epochs=2,
            checkpoint_steps=4,
            batch_size=16,
            relation_batch_size=16,
        )

    return make


def report(settings: TrainingSettings) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((settings.output / "report" / "report.json").read_text())
    return read


def test_a_resumed_run_has_the_same_teacher_and_the_report_counts_what_was_left_out(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken, broken = made("unbroken"), made("broken")
    train(unbroken)
    with monkeypatch.context() as patched:
        patched.setattr(RunLog, "epoch", _broken_off)
        with pytest.raises(KeyboardInterrupt):
            train(broken)
    train(broken.model_copy(update={"resume": True}))
    whole, resumed = report(unbroken), report(broken)
    assert resumed["steps"] == whole["steps"]
    assert resumed["dev"] == whole["dev"]
    assert resumed["alignment"] == whole["alignment"]

    counts = whole["alignment"]
    assert counts["off"] is None
    # Two of eight folders are held out, and each is named by one of ten captions.
    assert (counts["further_pictures"], counts["left_out_pictures"]) == (8, 2)
    assert counts["imagined_classes"] + counts["left_out_classes"] == 1000
    assert counts["left_out_classes"] > 0
    assert 0 <= counts["teacher_auc"] <= 1
    captioned = 2 * (3 * 12 + 8)
    assert whole["data"]["pairs"] == {
        "captioned pictures": captioned,
        "imagined pictures": round(captioned * 0.3 / 0.7),
    }
    card = (unbroken.output / "release" / "README.md").read_text(encoding="utf-8")
    assert "| teacher of the relation head | sentence-transformers/all-MiniLM-L6-v2 | Apache-2.0 |" in card


def _broken_off(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"vision": "tuned"}, "the vision is trained"),
        ({"untrained": True, "initial_release": None}, "the backbone is untrained"),
        ({}, "the release's backbone is not ImageNet's"),
        ({"teacher_share": 0, "imagined_share": 0}, "--teacher-share and --imagined-share are 0"),
    ],
)
def test_a_run_says_why_it_has_no_teacher(
    recipe: Recipe, tmp_path: Path, changed: dict[str, object], why: str
) -> None:
    settings = recipe(tmp_path, **changed)
    data = Data.read(settings)
    model, _ = start(settings)
    pictures = Pictures(
        data.picture_paths(), lambda pixels: torch.zeros(len(pixels), 49, 1280).half().numpy(), iter
    )
    alignment = Alignment.prepare(settings, data, model, pictures)
    assert alignment is not None
    assert (alignment.off, alignment.teacher, alignment.classes) == (why, None, None)
    assert f"no teacher and no imagined pictures: {why}" in str(alignment)


def test_without_captioned_pictures_there_is_nothing_to_learn_from(recipe: Recipe, tmp_path: Path) -> None:
    settings = recipe(tmp_path, captioned_pictures=())
    data = Data(train={}, dev={}, images={}, captioned=(), further_captioned=(), trc=None)
    assert Alignment.prepare(settings, data, tiny_model(), Pictures((), None, iter)) is None
