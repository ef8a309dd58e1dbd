"""One short run of the whole recipe, from files to a release with its card."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.data.gold import DatasetError, GoldPost
from model.inference import Tagger, TagRequest
from model.training import TrainingSettings, gold, train

POST = (
    "IMGID:{0}\nRT\tO\n@\tO\nana\tO\n:\tO\nAna\tB-PER\nin\tO\nPorto{0}\tB-LOC\nfor\tO\n#\tO\nNBA\tB-ORG\n\n"
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> TrainingSettings:
    folder = tmp_path_factory.mktemp("data")
    conll = folder / "twitter" / "train.txt"
    conll.parent.mkdir()
    conll.write_text("".join(POST.format(number) for number in range(24)), encoding="utf-8")
    for index, concept in enumerate(("cats", "dogs", "cars", "trees", "cups", "hats", "suns", "bees")):
        pictures = folder / "stamps" / concept
        pictures.mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (20, 20), (30 * index, 100 * number, 90)).save(pictures / f"{number}.png")
            (pictures / f"{number}.txt").write_text(f"One of the {concept}.\n")
    return TrainingSettings(
        train=(conll,),
        dev=(conll,),
        output=folder / "release",
        captioned_pictures=folder / "stamps",
        name="trial",
        version="0.1",
        epochs=4,
        batch_size=4,
        encoder_rate=3e-4,
        head_rate=1e-2,
        averaging=0.5,
    )


@pytest.fixture(scope="module")
def directory(settings: TrainingSettings) -> Path:
    return train(settings)


def test_a_run_learns_its_sentences_and_writes_a_release_that_serves(directory: Path) -> None:
    tagger = Tagger.load(str(directory), device="cpu", dtype="float32")
    assert (tagger.name, tagger.version) == ("trial", "0.1")
    regions = tagger.describe(np.zeros((1, 224, 224, 3), np.uint8))[0]
    text = tagger.prepare("RT @ ana : Ana in Porto7 for # NBA")
    alone, beside = tagger.tag([TagRequest(text), TagRequest(text, (regions,))])
    assert [(entity.text, entity.type) for entity in alone.entities] == [
        ("Ana", "PER"),
        ("Porto7", "LOC"),
        ("NBA", "ORG"),
    ]
    assert len(beside.relevance) == 1


def test_the_card_states_the_recipe_and_the_figures_and_no_path_of_the_machine(
    settings: TrainingSettings, directory: Path
) -> None:
    card = (directory / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlicense: apache-2.0\n")
    assert "--captioned-pictures" in card
    assert "| twitter/train.txt |" in card
    assert "AUC" in card
    assert str(settings.output.parent) not in card


def test_too_few_concepts_to_hold_some_out_are_an_error(settings: TrainingSettings, tmp_path: Path) -> None:
    assert settings.captioned_pictures is not None
    shutil.copytree(settings.captioned_pictures / "cats", tmp_path / "cats")
    with pytest.raises(DatasetError, match="too few folders of captioned pictures, 1"):
        train(settings.model_copy(update={"captioned_pictures": tmp_path}))


def test_gold_is_always_a_path_of_the_chain() -> None:
    tags = ("O", "B-PER", "I-PER", "B-MISC", "I-MISC")
    posts = [
        GoldPost(("Anita", "Borg", "in", "Porto"), ("B-PER", "I-PER", "O", "I-MISC")),
        GoldPost(("ok",), ("O",)),
    ]
    assert gold(posts, tags).tolist() == [[1, 2, 0, 3], [0] * 4]
