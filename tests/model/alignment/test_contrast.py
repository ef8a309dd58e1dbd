"""The linear fit, on data that are made up."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from model.alignment.contrast import Examples, contrastive_loss, fit
from model.alignment.imagined import ImaginedClasses

TEXTS, WIDTH, CHANNELS = 90, 12, 48


def made_up() -> tuple[Tensor, Tensor]:
    """Pictures that are their texts, turned, scaled, shifted and noisy."""
    torch.manual_seed(0)
    texts = functional.normalize(torch.randn(TEXTS, WIDTH), dim=-1)
    pictures = texts @ torch.randn(WIDTH, CHANNELS) * torch.logspace(-1, 1, CHANNELS) + 5
    return pictures + 0.1 * torch.randn_like(pictures), texts


def examples(pictures: Tensor) -> Examples:
    return Examples(pictures, [f"{n}" for n in range(len(pictures))], first=len(pictures), classes=None)


def same(pooled: Tensor) -> Tensor:
    return pooled


def test_pictures_that_it_never_saw_come_to_their_own_texts() -> None:
    pictures, texts = made_up()
    layer = fit(examples(pictures[:60]), same, texts[:60], seed=1)
    near = functional.cosine_similarity(layer(pictures[60:])[:, None], texts[None, 60:], dim=-1)
    assert (near.argmax(dim=1) == torch.arange(30)).float().mean() > 0.9
    assert near.diagonal().mean() > near.mean() + 0.5


def test_the_fit_follows_from_the_seed_and_leaves_the_generator_alone() -> None:
    pictures, texts = made_up()
    before = torch.random.get_rng_state()
    one, again, other = (fit(examples(pictures), same, texts, seed) for seed in (1, 1, 2))
    assert torch.equal(one.weight, again.weight)
    assert not torch.equal(one.weight, other.weight)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_text_that_says_the_same_is_no_wrong_answer() -> None:
    texts = functional.normalize(torch.tensor([[1.0, 0.0], [1.0, 0.05], [0.0, 1.0]]), dim=-1)
    assert contrastive_loss(texts, texts) < 1e-4
    apart = functional.normalize(torch.tensor([[1.0, 0.0], [1.0, 0.6], [0.0, 1.0]]), dim=-1)
    assert contrastive_loss(apart, apart) > 0.01


def test_a_third_of_a_batch_is_imagined(classes: ImaginedClasses) -> None:
    random = np.random.default_rng(0)
    pooled = torch.zeros(8, 1280)
    made = Examples(pooled, list("abcdefgh"), first=8, classes=classes)
    features, texts = made.draw(random)
    assert features.shape == (12, 1280)
    assert not features[:8].any()
    assert features[8:].any(dim=1).all()
    assert texts[:8].max() < 8 <= texts[8:].min()
