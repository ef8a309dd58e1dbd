"""One short run of the whole recipe, from files to a release with its card."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.datasets import DatasetError
from model.inference import Tagger, TagRequest
from model.training import TrainingSettings, train

POST = (
    "IMGID:{0}\nRT\tO\n@\tO\nana\tO\n:\tO\nAna\tB-PER\nin\tO\nPorto{0}\tB-LOC\nfor\tO\n#\tO\nNBA\tB-ORG\n\n"
)


@pytest.fixture
def settings(tmp_path: Path) -> TrainingSettings:
    conll = tmp_path / "twitter" / "train.txt"
    conll.parent.mkdir()
    conll.write_text("".join(POST.format(number) for number in range(24)), encoding="utf-8")
    for index, concept in enumerate(("cats", "dogs", "cars", "trees", "cups", "hats", "suns", "bees")):
        folder = tmp_path / "stamps" / concept
        folder.mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (20, 20), (30 * index, 100 * number, 90)).save(folder / f"{number}.png")
            (folder / f"{number}.txt").write_text(f"One of the {concept}.\n")
    return TrainingSettings(
        train=(conll,),
        dev=(conll,),
        output=tmp_path / "release",
        captioned_pictures=tmp_path / "stamps",
        name="trial",
        version="0.1",
        epochs=3,
        batch_size=4,
        encoder_rate=5e-4,
        head_rate=1e-2,
        averaging=0.5,
    )


def test_a_run_learns_its_sentences_and_writes_a_release_that_serves(settings: TrainingSettings) -> None:
    directory = train(settings)
    tagger = Tagger.load(str(directory), device="cpu", dtype="float32")
    assert (tagger.name, tagger.version) == ("trial", "0.1")
    regions = tagger.describe(np.zeros((1, 224, 224, 3), np.uint8))[0]
    (tagging,) = tagger.tag([TagRequest(tagger.prepare("RT @ana: Ana in Porto7 for #NBA"), (regions,))])
    assert [(entity.text, entity.type) for entity in tagging.entities] == [
        ("Ana", "PER"),
        ("Porto7", "LOC"),
        ("#NBA", "ORG"),
    ]
    assert len(tagging.relevance) == 1


def test_the_card_states_the_recipe_and_the_figures_and_no_path_of_the_machine(
    settings: TrainingSettings, tmp_path: Path
) -> None:
    card = (train(settings.model_copy(update={"epochs": 1})) / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlicense: apache-2.0\n")
    assert "--captioned-pictures" in card
    assert "| twitter/train.txt |" in card
    assert "AUC" in card
    assert str(tmp_path) not in card


def test_too_few_concepts_to_hold_some_out_are_an_error(settings: TrainingSettings) -> None:
    assert settings.captioned_pictures is not None
    for concept in ("cats", "dogs"):
        shutil.rmtree(settings.captioned_pictures / concept)
    with pytest.raises(DatasetError, match="6 folders of captioned pictures are too few"):
        train(settings)
