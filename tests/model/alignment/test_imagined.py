"""A picture that nobody took shows what it is said to."""

from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from model import pretrained
from model.alignment.imagined import ImaginedClasses
from model.config import PRESETS
from model.pictures import decode

SAMPLES = Path(str(resources.files("workers.local"))) / "samples"


@pytest.fixture(scope="module")
def real() -> npt.NDArray[np.float32]:
    """Regions of a cat and a horse."""
    model, _ = pretrained.start(PRESETS["small"])
    pixels = [decode((SAMPLES / name).read_bytes()) for name in ("chelsea.jpg", "horse.jpg")]
    with torch.inference_mode():
        regions: npt.NDArray[np.float32] = model.vision.eval()(torch.from_numpy(np.stack(pixels))).numpy()
    return regions


@pytest.mark.parametrize(("least_share", "hits"), [(1.0, 0.8), (0.3, 0.55)])
def test_the_classifier_sees_the_class_whatever_the_picture_shows(
    real: npt.NDArray[np.float32],
    classes: ImaginedClasses,
    classifier: nn.Linear,
    least_share: float,
    hits: float,
) -> None:
    random = np.random.default_rng(0)
    kinds = random.choice(classes.kinds, 100)
    shown = classes.imagine(real[np.arange(100) % 2], kinds, random, least_share=least_share)
    assert shown.shape == (100, 49, 1280)
    assert shown.min() == 0
    # The picture below is dimmed, not gone: now and then it still wins.
    best = classifier(torch.from_numpy(shown.mean(axis=1))).topk(5).indices.numpy()
    assert (best[:, 0] == kinds).mean() > hits
    assert (best == kinds[:, None]).any(axis=1).mean() > 0.85


def test_only_some_blocks_show_it(real: npt.NDArray[np.float32], classes: ImaginedClasses) -> None:
    random = np.random.default_rng(0)
    shown = classes.imagine(np.zeros_like(real[:1]).repeat(50, axis=0), classes.kinds[:50], random)
    shares = shown.any(axis=2).mean(axis=1)
    assert shares.min() < 0.5
    assert shares.max() > 0.9


def test_a_class_has_its_name_and_what_it_is(classes: ImaginedClasses) -> None:
    name, gloss = classes.texts(285)
    assert name == "Egyptian cat"
    assert gloss.startswith("Egyptian cat: a domestic cat")
