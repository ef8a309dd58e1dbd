"""A tiny data set, a tiny release to start from, and one run that most tests look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
import torch
from PIL import Image

from model.config import RpBertConfig
from model.release import save_release
from model.rpbert import RpBert
from model.training.run import train
from model.training.settings import TrainingSettings
from tests.model.tiny import tiny_model, tiny_tokenizer

POST = (
    "IMGID:{0}\nRT\tO\n@\tO\nana\tO\n:\tO\nAna\tB-PER\nin\tO\nPorto{0}\tB-LOC\nfor\tO\n#\tO\nNBA\tB-ORG\n\n"
)
CONCEPTS = ("cats", "dogs", "cars", "trees", "cups", "hats", "suns", "bees")


class Recipe(Protocol):
    """Settings of a short run on the tiny data."""

    def __call__(self, output: Path, **changed: object) -> TrainingSettings: ...


def without_dropout(model: RpBert) -> RpBert:
    fields = model.config.model_dump(mode="json")
    fields["encoder"]["dropout"] = fields["tagger"]["dropout"] = 0
    still = RpBert(RpBertConfig.model_validate(fields))
    still.load_state_dict(model.state_dict())
    return still


@pytest.fixture(scope="session")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    folder = tmp_path_factory.mktemp("data")
    conll = folder / "twitter" / "train.txt"
    conll.parent.mkdir()
    conll.write_text("".join(POST.format(number) for number in range(22)), encoding="utf-8")
    (folder / "images").mkdir()
    for number in range(6):
        Image.new("RGB", (20, 20), (40 * number, 90, 10)).save(folder / "images" / f"{number}.jpg")
    (folder / "images" / "6.jpg").write_bytes(b"\xff\xd8\xff broken")
    for index, concept in enumerate(CONCEPTS):
        pictures = folder / "stamps" / concept
        pictures.mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (20, 20), (30 * index, 100 * number, 90)).save(pictures / f"{number}.png")
            (pictures / f"{number}.txt").write_text(f"One of the {concept}.\n")
    identity = {"name": "tiny", "version": "1", "card": ""}
    for name, model in (("tiny", tiny_model()), ("still", without_dropout(tiny_model()))):
        save_release(folder / name, model=model, tokenizer=tiny_tokenizer(), **identity)

    def make(output: Path, **changed: object) -> TrainingSettings:
        fields: dict[str, object] = {
            "train": (conll,),
            "dev": (conll,),
            "images": (folder / "images",),
            "captioned_pictures": (folder / "stamps",),
            "output": output,
            "initial_release": str(folder / "tiny"),
            "name": "trial",
            "version": "0.1",
            "epochs": 3,
            "batch_size": 4,
            "relation_batch_size": 4,
            "rounds": 1,
            "encoder_rate": 1e-3,
            "head_rate": 3e-2,
            "averaging": 0.5,
            "device": "cpu",
            "dtype": "float32",
        }
        if changed.pop("still", False):
            fields["initial_release"] = str(folder / "still")
        return TrainingSettings.model_validate(fields | changed)

    return make


@pytest.fixture(scope="session")
def run(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a finished run."""
    output = tmp_path_factory.mktemp("runs") / "trial"
    torch.set_num_threads(1)
    train(recipe(output))
    return output


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums of two threads are other bits than those of one, and runs are compared with runs elsewhere."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
