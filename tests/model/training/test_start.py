"""What a run starts from."""

from pathlib import Path

import numpy as np
import pytest
import torch

from model.alignment.captions import Captions
from model.alignment.contrast import Examples
from model.config import GateKind
from model.data.captioned import read_captioned_pictures
from model.training.alignment import Alignment
from model.training.pictures import Pictures
from model.training.settings import TrainingSettings
from model.training.start import guess_projection, start
from model.words import WordPieces
from tests.model.alignment.words import BagsOfWords
from tests.model.tiny import CHANNELS
from tests.model.training.conftest import Recipe

SETTINGS = {"train": ["a"], "dev": ["b"], "output": "c"}


def test_a_release_is_gone_on_from_with_its_weights_and_another_gate(recipe: Recipe, tmp_path: Path) -> None:
    one, _ = start(recipe(tmp_path))
    other, _ = start(recipe(tmp_path, gate=GateKind.SOFT))
    assert one.config.gate is GateKind.STRAIGHT_THROUGH
    assert other.config == one.config.model_copy(update={"gate": GateKind.SOFT})
    assert torch.equal(one.relation.weight, other.relation.weight)
    assert not any(each.requires_grad for each in one.vision.parameters())


def test_small_can_start_untrained_and_the_seed_draws_its_weights() -> None:
    settings = TrainingSettings.model_validate(SETTINGS | {"untrained": True, "images": ["d"]})
    (one, tokenizer), (same, _) = start(settings), start(settings)
    other, _ = start(settings.model_copy(update={"seed": 2, "vision": "tuned"}))
    assert torch.equal(one.encoder.embeddings.words.weight, same.encoder.embeddings.words.weight)
    assert not torch.equal(one.encoder.embeddings.words.weight, other.encoder.embeddings.words.weight)
    assert tokenizer.get_vocab_size() == one.config.encoder.vocab_size
    assert all(each.requires_grad for each in other.vision.parameters())


@pytest.mark.parametrize("projection", ["contrastive", "random"])
def test_the_projection_is_guessed_where_that_is_wanted(
    recipe: Recipe, tmp_path: Path, projection: str
) -> None:
    (stamps,) = recipe(tmp_path).captioned_pictures
    read = read_captioned_pictures(stamps)
    random = np.random.default_rng(0)
    pictures = Pictures(
        [each.path for each in read],
        lambda pixels: random.random((len(pixels), 49, CHANNELS)).astype(np.float16),
        lambda batches: batches,
    )
    captions = Captions.part(read, (), BagsOfWords(), seed=1)
    pooled = torch.rand(len(captions.trained), CHANNELS)
    examples = Examples(pooled, [each.caption for each in captions.trained], first=len(pooled), classes=None)
    settings = TrainingSettings.model_validate(SETTINGS | {"projection": projection})
    model, tokenizer = start(settings)
    before = model.project.weight.detach().clone()
    pieces = WordPieces(tokenizer, window=24, overlap=8)
    guess_projection(settings, model, pieces, pictures, Alignment(captions, examples, None, None, None))
    assert torch.equal(before, model.project.weight) == (projection == "random")
